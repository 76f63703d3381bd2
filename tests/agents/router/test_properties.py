"""What holds for any bytes, and for any message however it is bent."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.router.routing import Routed
from models.record import serialize
from tests.agents.router.routing import routed

_SECRET = "s3cret-of-the-account"
_ACCOUNT = {"account_id": 4411, "account_settings": {"apiKey": _SECRET, "more": [{"key": _SECRET}]}}

# A fixed set of examples, so that no run fails by chance or by being slow.
_few = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_json = st.recursive(
    _scalars,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


def _seeds() -> list[Any]:
    """The messages of all cases, with secrets in their accounts."""
    cases = [json.loads(path.read_text()) for path in (Path(__file__).parent / "cases").iterdir()]
    messages = [json.loads(case["text"]) if "text" in case else case["message"] for case in cases]
    return [{**each, "account": _ACCOUNT} if isinstance(each, dict) else each for each in messages]


_SEEDS = _seeds()


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every container in a message with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    below = [
        place for key in keys if isinstance(node[key], dict | list) for place in _places(node[key])
    ]
    return [(node, key) for key in keys] + below


def _drop(node: Any, key: Any, _: Any) -> None:
    del node[key]


def _retype(node: Any, key: Any, other: Any) -> None:
    node[key] = other


def _empty(node: Any, key: Any, _: Any) -> None:
    node[key] = None


def _nest(node: Any, key: Any, _: Any) -> None:
    node[key] = {"nested": node[key]}


def _enlist(node: Any, key: Any, _: Any) -> None:
    node[key] = [node[key]]


def _double(node: Any, key: Any, _: Any) -> None:
    copy = json.loads(json.dumps(node[key]))
    if isinstance(node, list):
        node.insert(key, copy)
    elif key != "account_settings":  # by another name they would be no settings
        node[f"{key} again"] = copy


_BENDS: tuple[Callable[[Any, Any, Any], None], ...] = (
    _drop,
    _retype,
    _empty,
    _nest,
    _enlist,
    _double,
)


@st.composite
def _bent(draw: st.DrawFn) -> Any:
    """A message of a case, with up to four changes of its structure."""
    message = json.loads(json.dumps(draw(st.sampled_from(_SEEDS))))
    for _ in range(draw(st.integers(0, 4))):
        places = _places(message)
        if not places:
            break
        node, key = places[draw(st.integers(0, len(places) - 1))]
        draw(st.sampled_from(_BENDS))(node, key, draw(_json))
    return message


def _shuffled(node: Any, random: Random) -> Any:
    if isinstance(node, dict):
        items = [(name, _shuffled(each, random)) for name, each in node.items()]
        random.shuffle(items)
        return dict(items)
    return [_shuffled(each, random) for each in node] if isinstance(node, list) else node


def _ends_well(result: Routed) -> None:
    assert result.outs or result.dead_letters or result.dropped
    assert "router_fault" not in {letter.reason for letter in result.dead_letters}
    for out in result.outs:
        assert out.topic.holds is not None
        assert out.topic.holds.validate_json(serialize(out.record)) == out.record


@_few
@given(st.binary())
def test_any_bytes_end_in_something(value: bytes) -> None:
    _ends_well(routed(value))


@_few
@given(_json)
def test_any_json_ends_in_something(message: Any) -> None:
    _ends_well(routed(message))


@_few
@given(_bent())
def test_any_bent_message_ends_in_something_that_reads_back(message: Any) -> None:
    _ends_well(routed(message))


@_few
@given(_bent())
def test_ids_are_unique_in_a_message_and_the_same_when_it_comes_again(message: Any) -> None:
    ids = [out.record.id for out in routed(message).outs]
    assert len(set(ids)) == len(ids)
    assert [out.record.id for out in routed(message).outs] == ids


@_few
@given(_bent(), st.randoms(use_true_random=False))
def test_order_of_keys_changes_nothing(message: Any, random: Random) -> None:
    one, other = routed(message), routed(_shuffled(message, random))
    assert other.outs == one.outs
    assert other.dropped == one.dropped
    told = [
        [(letter.reason, letter.index) for letter in each.dead_letters] for each in (one, other)
    ]
    assert told[0] == told[1]


@_few
@given(_bent(), st.booleans())
def test_no_output_holds_a_value_of_the_account_settings(message: Any, escaped: bool) -> None:
    text = json.dumps(message)
    result = routed((text.replace("_s", "\\u005fs") if escaped else text).encode())
    written = [serialize(out.record) for out in result.outs]
    written += [letter.value + letter.detail.encode() for letter in result.dead_letters]
    assert not [each for each in written if _SECRET.encode() in each]


@_few
@given(_bent())
def test_each_broken_part_is_one_dead_letter(message: Any) -> None:
    # Identities and shared attributes are parts of parts, and tell the place in their own list.
    inner = {"bad_identity", "bad_attribute"}
    letters = [letter for letter in routed(message).dead_letters if letter.reason not in inner]
    assert len({letter.index for letter in letters}) == len(letters)


@pytest.mark.parametrize(
    "digits", ["9007199254740993", "-9223372036854775808", "18446744073709551615"]
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_every_digit_of_an_id_survives(digits: str, quote: str) -> None:
    value = quote + digits + quote
    data = f'{{"event_id":{value},"session_id":{value}}}'
    message = f'{{"mpid":{value},"events":[{{"event_type":"session_start","data":{data}}}]}}'
    [out] = routed(message.encode()).outs
    written = json.loads(serialize(out.record))
    assert {written["mpid"], written["event_id"], written["session_id"], out.key.decode()} == {
        digits
    }
