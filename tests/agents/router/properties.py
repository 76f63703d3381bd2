"""What holds for any bytes, and for any message however it is bent: each with what to try it on.

`test_properties.py` tries each on a fixed few; `fuzz.py` for as long as one likes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from agents.router.routing import Routed, route
from agents.router.settings import RouterSettings
from models.record import RawPosition, Record
from tests.agents.router.messages import (
    SECRET,
    Strategy,
    any_json,
    bent,
    copied,
    messages,
    objects,
    shuffled,
)
from tests.agents.router.routing import remembering, routed, together

# An object inside an attribute that was bent becomes text, and its digits are no id.
_IDS = frozenset(
    {"mpid", "id", "event_id", "source_id", "source_message_id", "session_id"}
    | {"audience_id", "account_id"}
)


def any_bytes_end_in_something(value: bytes) -> None:
    _ends_well(routed(value))


def any_message_ends_in_something_that_reads_back(message: Any) -> None:
    _ends_well(routed(message))


def whole_message_breaks_nothing_but_its_ids(message: Any) -> None:
    """What mParticle can write is never a dead letter."""
    assert [letter.detail for letter in routed(message).dead_letters] == []


def ids_are_unique_in_a_message(message: Any) -> None:
    for each in message if isinstance(message, list) else [message]:
        ids = _record_ids(routed(each))
        assert len(set(ids)) == len(ids)


def ids_are_the_same_when_a_message_comes_again(message: Any) -> None:
    later = RawPosition(topic="mparticle-raw", partition=4, offset=977, index=0)
    again = route(
        json.dumps(message, indent=1).encode(),
        later,
        1_790_000_000_000,
        RouterSettings(),
        snapshots=remembering(),
    )
    assert _record_ids(again) == _record_ids(routed(message))


def order_of_keys_changes_nothing(drawn: tuple[Any, Random]) -> None:
    message, random = drawn
    one, other = routed(message), routed(shuffled(message, random))
    assert _records(other) == _records(one)
    assert (other.dropped, other.strangers) == (one.dropped, one.strangers)
    assert _told(other) == _told(one)


def unknown_fields_change_no_record_and_are_told(drawn: tuple[Any, Random, Any]) -> None:
    message, random, value = drawn
    plain = routed(message)
    more = copied(message)
    added = [each for each in objects(more) if random.random() < 1 / 3]
    for each in added:
        each["unheard_of"] = copied(value)
    result = routed(more)
    assert _records(result) == _records(plain)
    assert result.dropped == plain.dropped
    assert _told(result) == _told(plain)
    names = [name for what, name in result.strangers if what == "field"]
    assert all(name.endswith(".unheard_of") for name in names)
    assert len(names) <= len(added)


def no_output_holds_a_value_of_the_account_settings(drawn: tuple[Any, bool]) -> None:
    message, is_escaped = drawn
    text = json.dumps(message)
    result = routed((text.replace("_s", "\\u005fs") if is_escaped else text).encode())
    written = [out.written() + out.key for out in result.outs]
    written += [letter.value + letter.detail.encode() for letter in result.dead_letters]
    assert not [each for each in written if SECRET.encode() in each]


def digits_of_every_id_survive(message: Any) -> None:
    sent = {None, "unknown", *_ids(message)}
    for out in routed(message).outs:
        assert out.key
        assert _written_ids(out.record) <= sent


def each_broken_part_is_one_dead_letter(message: Any) -> None:
    # Identities and shared attributes are parts of parts, and tell the place in their own list.
    inner = {"bad_identity", "bad_attribute"}
    letters = [letter for letter in routed(message).dead_letters if letter.reason not in inner]
    assert len({letter.index for letter in letters}) == len(letters)


def messages_together_become_what_each_becomes_alone(several: list[Any]) -> None:
    values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in several]
    assert together(values) == [routed(value) for value in values]


_randoms = st.randoms(use_true_random=False)

PROPERTIES: Mapping[Callable[[Any], None], Strategy] = MappingProxyType(
    {
        any_bytes_end_in_something: st.binary(),
        any_message_ends_in_something_that_reads_back: any_json | bent(),
        whole_message_breaks_nothing_but_its_ids: messages,
        ids_are_unique_in_a_message: bent(),
        ids_are_the_same_when_a_message_comes_again: bent(),
        order_of_keys_changes_nothing: st.tuples(bent(), _randoms),
        unknown_fields_change_no_record_and_are_told: st.tuples(messages, _randoms, any_json),
        no_output_holds_a_value_of_the_account_settings: st.tuples(bent(), st.booleans()),
        digits_of_every_id_survive: messages,
        each_broken_part_is_one_dead_letter: bent(),
        messages_together_become_what_each_becomes_alone: st.lists(
            messages | bent() | any_json | st.binary() | st.lists(bent(), max_size=3), max_size=5
        ),
    }
)


def _ends_well(result: Routed) -> None:
    assert result.outs or result.dead_letters or result.dropped
    assert "router_fault" not in {letter.reason for letter in result.dead_letters}
    for out in result.outs:
        # An empty text is left out and reads back as none, as everywhere in records.
        written = out.record.model_dump_json()
        assert out.topic.holds.validate_json(written).model_dump_json() == written
        assert json.loads(out.written(), object_pairs_hook=_names_once) == json.loads(written)


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers of our topics disagree on which of two values counts that have one name."""
    read = dict(pairs)
    assert len(read) == len(pairs)
    return read


def _records(result: Routed) -> list[tuple[str, bytes, Record]]:
    return [(out.topic.name, out.key, out.record) for out in result.outs]


def _record_ids(result: Routed) -> list[str]:
    return [out.record.id for out in result.outs]


def _told(result: Routed) -> list[tuple[str, int | None]]:
    return [(letter.reason, letter.index) for letter in result.dead_letters]


def _ids(node: Any, name: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for inside, each in node.items():
            yield from _ids(each, inside)
        if node.get("mpid") is None and isinstance(node.get("value"), int | str):
            yield str(node["value"])
    elif isinstance(node, list):
        for each in node:
            yield from _ids(each)
    elif name in _IDS and node is not None:
        yield str(node)


def _written_ids(record: Record) -> set[str | None]:
    written = json.loads(record.model_dump_json())
    return {written.get(name) for name in ("mpid", "event_id", "session_id", "audience_id")}
