"""What is remembered of users, and what is not: the cases `snapshot_*.json` say what is routed."""

import gc
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import orjson
import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.router.route_result import TARGETS
from agents.router.routing import Routed, route
from agents.router.settings import RouterSettings
from agents.router.snapshots import PartitionSnapshots, Snapshots
from models.privacy_request import ConsentChanged
from models.record import Value
from models.user_update import AttributesChanged
from streams.topics import MAX_MESSAGE_BYTES
from tests.agents.router.routing import AT, RECEIVED_MS, remembering, together_remembering

_TIME = 1_760_000_000_000
_TP = TP(AT.topic, AT.partition)


def _batch(mpid: int, at: int, attributes: dict[str, Any], *events: Any) -> dict[str, Any]:
    return {
        "mpid": mpid,
        "message_id": f"m-{at}",
        "timestamp_unixtime_ms": _TIME + at,
        "user_attributes": attributes,
        "events": list(events),
    }


def _route(message: Any, known: PartitionSnapshots | None, **chosen: Any) -> Routed:
    value = orjson.dumps(message)
    return route(value, AT, RECEIVED_MS, RouterSettings(**chosen), snapshots=known)


def _told(routed: Routed) -> list[dict[str, Value]]:
    records = (out.record for out in routed.outs)
    return [each.attributes for each in records if isinstance(each, AttributesChanged)]


def test_users_and_partitions_have_memories_of_their_own() -> None:
    memory = Snapshots(10)
    here, there = memory.of(_TP), memory.of(TP(AT.topic, AT.partition + 1))
    for known, mpid in ((here, 1), (here, 2), (there, 1)):
        assert _told(_route(_batch(mpid, 1, {"tier": "gold"}), known)) == [{"tier": "gold"}]
        assert _told(_route(_batch(mpid, 2, {"tier": "gold"}), known)) == []


def test_what_a_development_device_says_is_not_taken_for_told() -> None:
    """Destinations leave it out, and must hear the same of the user's own device."""
    known = remembering()
    for environment in ("development", "production"):
        message = _batch(1, 1, {"tier": "gold"}) | {"environment": environment}
        assert _told(_route(message, known)) == [{"tier": "gold"}]


def test_after_an_address_all_is_told_again_also_what_its_message_did_not_have() -> None:
    """A destination that had no address dropped what came before; outputs need not say the same."""
    known, address = remembering(), {"email": "lin@shop.example"}
    _route(_batch(1, 1, {"tier": "gold", "visits": 3}), known)
    first = _batch(1, 2, {"tier": "gold"}) | {"user_identities": address}
    later = _batch(1, 3, {"tier": "gold", "visits": 3}) | {"user_identities": address}

    assert _told(_route(first, known)) == [{"tier": "gold"}]
    assert _told(_route(later, known)) == [{"visits": 3}]
    assert _told(_route(later, known)) == []


def test_of_two_late_messages_only_the_first_fills_in_what_nobody_has_told() -> None:
    """Which of the two is newer at a destination is not known here."""
    known = remembering()
    _route(_batch(1, 5, {"tier": "gold"}), known)

    assert _told(_route(_batch(1, 3, {"visits": 3}), known)) == [{"visits": 3}]
    assert _told(_route(_batch(1, 4, {"visits": 2}), known)) == []


def test_what_changed_where_a_message_had_no_address_is_told_with_the_address_again() -> None:
    """A destination that finds users by it dropped the change."""
    known, address = remembering(), {"user_identities": {"email": "lin@shop.example"}}
    _route(_batch(1, 1, {"tier": "gold"}) | address, known)
    event = {"user_attribute_name": "visits", "new": 3, "timestamp_unixtime_ms": _TIME + 4}
    changed = {"event_type": "user_attribute_change", "data": event}

    assert _told(_route(_batch(1, 2, {"tier": "red"}), known)) == [{"tier": "red"}]
    assert _told(_route(_batch(1, 3, {"tier": "red"}) | address, known)) == [{"tier": "red"}]
    assert _told(_route(_batch(1, 4, {"tier": "red", "visits": 3}, changed), known)) == [
        {"visits": 3}
    ]
    whole = {"tier": "red", "visits": 3}
    assert _told(_route(_batch(1, 5, whole) | address, known)) == [whole]


def test_two_sources_of_which_one_has_no_address_tell_nothing_twice() -> None:
    known, address = remembering(), {"user_identities": {"email": "lin@shop.example"}}
    _route(_batch(1, 1, {"tier": "gold"}) | address, known)
    for at in range(2, 6):
        message = _batch(1, at, {"tier": "gold"}) | (address if at % 2 else {})
        assert _told(_route(message, known)) == []


def test_memory_is_bounded_in_users() -> None:
    known = remembering(users=2)
    for mpid in (1, 2, 3):
        _route(_batch(mpid, 1, {"tier": "gold"}), known)
    assert _told(_route(_batch(3, 2, {"tier": "gold"}), known)) == []
    assert _told(_route(_batch(1, 2, {"tier": "gold"}), known)) == [{"tier": "gold"}]


def test_who_is_met_again_and_again_is_not_forgotten_for_who_was_met_later() -> None:
    known = remembering(users=2)
    for mpid in (1, 2, 1, 3):
        _route(_batch(mpid, 1, {"tier": "gold"}), known)
    assert _told(_route(_batch(1, 2, {"tier": "gold"}), known)) == []


def test_user_with_very_many_attributes_is_not_remembered() -> None:
    known, many = remembering(), {f"name {number}": 1 for number in range(1_001)}
    for at in (1, 2):
        assert _told(_route(_batch(1, at, many), known)) == [many]


def test_memory_without_room_remembers_nobody() -> None:
    known = remembering(users=0)
    for at in (1, 2):
        assert _told(_route(_batch(1, at, {"tier": "gold"}), known)) == [{"tier": "gold"}]


def test_partition_that_is_forgotten_is_told_anew() -> None:
    memory = Snapshots(10)
    _route(_batch(1, 1, {"tier": "gold"}), memory.of(_TP))
    memory.forget(_TP)
    assert _told(_route(_batch(1, 2, {"tier": "gold"}), memory.of(_TP))) == [{"tier": "gold"}]


def test_snapshot_that_has_no_record_is_not_remembered() -> None:
    known, much = remembering(), {"essay": "x" * (MAX_MESSAGE_BYTES)}
    for at in (1, 2):
        routed = _route(_batch(1, at, much), known)
        assert [letter.reason for letter in routed.dead_letters]
        assert not routed.outs
        assert not routed.dropped


def test_snapshot_of_a_message_that_breaks_afterwards_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = remembering()
    consent = {"type": "gdpr_consent_state", "purpose": "sales"}
    message = _batch(1, 1, {"tier": "gold"}) | {"system_notifications": [consent]}
    without = {of: target for of, target in TARGETS.items() if of is not ConsentChanged}
    with monkeypatch.context() as patched:
        patched.setattr("agents.router.raw_message.TARGETS", without)
        broken = _route(message, known)
    assert [letter.reason for letter in broken.dead_letters] == ["router_fault"]
    assert _told(_route(message, known)) == [{"tier": "gold"}]


def test_snapshot_of_a_list_that_is_given_up_is_not_remembered() -> None:
    known, first = remembering(), _batch(1, 1, {"tier": "gold"})
    second = _batch(2, 1, {}) | {"system_notifications": [{}] * 3}
    given_up = _route([first, second], known, max_parts=3)
    assert not given_up.outs
    assert [letter.reason for letter in given_up.dead_letters] == ["too_many_parts"]
    assert _told(_route(first, known)) == [{"tier": "gold"}]


def test_memory_holds_digests_and_no_values() -> None:
    memory = Snapshots(10)
    secret = {"a-name-nobody-has": "a-value-nobody-has"}
    event = {"event_type": "session_start", "data": {"event_id": 1}}
    _route(_batch(1, 1, secret, event), memory.of(_TP))
    held = texts_in(memory)
    assert _TP.topic in held
    assert not [text for text in held if "nobody-has" in text]


def texts_in(root: object) -> set[str]:
    """All texts that an object holds, however deep, as the garbage collector finds them."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        each = waiting.pop()
        # What code refers to is all of the process.
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, str | bytes):
            found.add(str(each))
        waiting += gc.get_referents(each)
    return found


class _Said(NamedTuple):
    """A message of a user: its own changes, and how its attributes stand after them."""

    mpid: int
    changes: dict[str, Value | None]
    quietly: dict[str, Value | None]
    again: int


_NAMES = st.sampled_from(["tier", "city", "visits"])
_STATES = st.sampled_from(["gold", "", "1", 1, True, "true", 2.0, ["a"], ["a", "b"], None])
_CHANGES = st.dictionaries(_NAMES, _STATES, max_size=2)
_HISTORY = st.lists(
    st.builds(_Said, st.integers(1, 2), _CHANGES, _CHANGES, st.integers(0, 3)), max_size=12
)
_FORGOTTEN = st.sets(st.integers(0, 12), max_size=2)


def _messages(history: Sequence[_Said]) -> Iterator[dict[str, Any]]:
    """In order of time, each with all attributes as they stand; None removes one."""
    profiles: dict[int, dict[str, Value]] = {1: {}, 2: {}}
    for at, said in enumerate(history, 1):
        profile = profiles[said.mpid]
        for changes in (said.changes, said.quietly):
            profile.update({n: state for n, state in changes.items() if state is not None})
        gone = [n for n, state in (said.changes | said.quietly).items() if state is None]
        for name in gone:
            profile.pop(name, None)
        events = [
            {
                "event_type": "user_attribute_change",
                "data": {
                    "event_id": 100 * at + number,
                    "timestamp_unixtime_ms": _TIME + at,
                    "user_attribute_name": name,
                    "new": state,
                    "deleted": state is None,
                },
            }
            for number, (name, state) in enumerate(said.changes.items())
        ]
        message = _batch(said.mpid, at, dict(profile), *events)
        yield message | {"deleted_user_attributes": gone}


class _Destination:
    """Folds updates, each id once; of users without an address none, where it finds them by it."""

    def __init__(self, *, needs_address: bool = False) -> None:
        self._needs_address = needs_address
        self.profiles: dict[str | None, dict[str, Value]] = {}
        self._ids = set[str]()

    def take(self, routed: Routed) -> None:
        for out in routed.outs:
            record = out.record
            is_found = bool(record.identities) or not self._needs_address
            if isinstance(record, AttributesChanged) and is_found and record.id not in self._ids:
                self._ids.add(record.id)
                profile = self.profiles.setdefault(record.mpid, {})
                profile.update(record.attributes)
                for name in record.removed:
                    profile.pop(name, None)


def _as_text(profiles: dict[str | None, dict[str, Value]]) -> dict[str | None, dict[str, str]]:
    """Two ways to write a value are one."""
    texts = {
        mpid: {name: _text(value) for name, value in profile.items()}
        for mpid, profile in profiles.items()
    }
    return {mpid: profile for mpid, profile in texts.items() if profile}


def _text(value: Value) -> str:
    return {"True": "true", "2.0": "2"}.get(str(value), str(value))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(_HISTORY, _FORGOTTEN)
def test_what_differs_makes_of_a_user_what_all_snapshots_make(
    history: list[_Said], forgotten: set[int]
) -> None:
    """Also where the memory is lost on the way."""
    memory, changed, always = Snapshots(10), _Destination(), _Destination()
    for number, message in enumerate(_messages(history)):
        if number in forgotten:
            memory.forget(_TP)
        changed.take(_route(message, memory.of(_TP)))
        always.take(_route(message, None, snapshots="always"))
    assert _as_text(changed.profiles) == _as_text(always.profiles)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(_HISTORY, st.sets(st.integers(0, 12)))
def test_whoever_finds_users_by_address_has_all_of_them_after_a_message_that_has_it(
    history: list[_Said], without: set[int]
) -> None:
    known, changed = remembering(), _Destination(needs_address=True)
    address = {"user_identities": {"email": "lin@shop.example"}}
    messages = list(_messages(history))
    for number, message in enumerate(messages):
        changed.take(_route(message | ({} if number in without else address), known))
    ends = {message["mpid"]: message["user_attributes"] for message in messages}
    for mpid, attributes in ends.items():
        changed.take(_route(_batch(mpid, 99, attributes) | address, known))
        profile = _as_text({"": changed.profiles.get(str(mpid), {})}).get("", {})
        wanted = {name: _text(value) for name, value in attributes.items()}
        assert {name: profile.get(name) for name in wanted} == wanted


@settings(derandomize=True, deadline=None, max_examples=150)
@given(_HISTORY, _FORGOTTEN)
def test_after_messages_that_come_again_or_late_the_next_one_sets_right(
    history: list[_Said], forgotten: set[int]
) -> None:
    memory, changed = Snapshots(10), _Destination()
    messages = list(_messages(history))
    for number, (said, message) in enumerate(zip(history, messages, strict=True)):
        if number in forgotten:
            memory.forget(_TP)
        changed.take(_route(message, memory.of(_TP)))
        if said.again and number >= said.again:
            changed.take(_route(messages[number - said.again], memory.of(_TP)))
    ends = {message["mpid"]: message["user_attributes"] for message in messages}
    for mpid, attributes in ends.items():
        changed.take(_route(_batch(mpid, 99, attributes), memory.of(_TP)))
        profile = _as_text({"": changed.profiles.get(str(mpid), {})}).get("", {})
        wanted = {name: _text(value) for name, value in attributes.items()}
        assert {name: profile.get(name) for name in wanted} == wanted


def _in_a_list(message: dict[str, Any]) -> Any:
    return [message]


def _shared(message: dict[str, Any]) -> Any:
    """The same attributes, as they are shared beside audiences."""
    attributes = {name: _text(value) for name, value in message["user_attributes"].items()}
    return {
        "type": "audience_membership_change_request",
        "id": message["message_id"],
        "timestamp_ms": message["timestamp_unixtime_ms"],
        "user_profiles": [{"mpid": message["mpid"], "user_attributes": attributes}],
    }


_FORMS = st.lists(st.sampled_from([dict, _in_a_list, _shared]), min_size=12, max_size=12)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(_HISTORY, _FORMS)
def test_messages_mapped_together_are_told_as_one_after_the_other(
    history: list[_Said], forms: list[Callable[[dict[str, Any]], Any]]
) -> None:
    known = remembering()
    messages = [form(message) for form, message in zip(forms, _messages(history), strict=False)]
    alone = [_route(message, known) for message in messages]
    assert together_remembering(messages, remembering()) == alone
