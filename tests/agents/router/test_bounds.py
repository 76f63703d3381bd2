"""What one message may cost: parts, bytes, work; nothing that is sent can stall the rest."""

import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agents.receiver.envelope import look
from agents.router.raw_message import RawMessage, TopicLimits
from agents.router.redaction import without_secrets
from agents.router.routing import Routed, route_together
from agents.router.settings import RouterSettings
from models.mparticle import parsing
from streams.topics import EVENTS
from tests.agents.router.routing import AT, RECEIVED_MS, routed
from tests.agents.router.shapes import SHAPES


def _batch(events: int = 1, identities: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "mpid": "17",
        "events": [{"event_type": "first_run", "data": {"session_id": n}} for n in range(events)],
        "user_identities": [{"type": f"other{n}", "value": "a" * 60} for n in range(identities)],
        **more,
    }


def _event(**data: Any) -> dict[str, Any]:
    return {"events": [{"event_type": "custom_event", "data": {"event_name": "bought", **data}}]}


def _reasons(result: Routed) -> list[tuple[str, int | None]]:
    return [(letter.reason, letter.index) for letter in result.dead_letters]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({**_event(), "mpid": "1" * 257}, "bad_id"),
        ({**_event(), "mpid": "1" * 5_300_000}, "bad_id"),
        (_event(event_id="1" * 257), "bad_id"),
        ({**_event(), "mp_deviceid": "d" * 257}, "bad_message"),
        ({"events": [{"event_type": "k" * 129, "data": {}}]}, "bad_event"),
        ({"events": [{"event_type": "k" * 3_500_000, "data": {}}]}, "bad_event"),
        ({"type": "event_processing_request", "events": [{"type": "k" * 129}]}, "bad_event"),
        (_event(event_name="n" * 1025), "bad_event"),
        (
            {"type": "audience_subscription_request", "audience_id": "1" * 257, "action": "add"},
            "bad_id",
        ),
        (
            {
                "type": "audience_membership_change_request",
                "user_profiles": [
                    {"audiences": [{"audience_id": "1" * 5_300_000, "action": "add"}]}
                ],
            },
            "bad_id",
        ),
    ],
)
def test_an_id_a_kind_or_a_name_that_is_too_long_is_a_dead_letter(
    message: dict[str, Any], reason: str
) -> None:
    result = routed(message)
    assert [letter.reason for letter in result.dead_letters] == [reason]
    assert result.outs == []


@pytest.mark.parametrize(
    "identity",
    [{"type": "other", "value": "v" * 4097}, {"type": "t" * 129, "value": "v"}],
)
def test_an_identity_that_is_too_long_does_not_hold_up_its_message(
    identity: dict[str, str],
) -> None:
    result = routed(_event() | {"user_identities": [identity]})
    assert [letter.reason for letter in result.dead_letters] == ["bad_identity"]
    assert len(result.outs) == 1


def test_the_longest_that_are_taken_are_taken() -> None:
    message = _event(event_id="1" * 256, event_name="n" * 1024) | {"mpid": "1" * 256}
    message["user_identities"] = [{"type": "t" * 128, "value": "v" * 4096}]
    message["events"].append({"event_type": "k" * 128, "data": {}})
    result = routed(message)
    assert (len(result.outs), result.dead_letters) == (2, [])


@pytest.mark.parametrize(
    "message",
    [
        _batch(events=11),
        [_batch(events=6), _batch(events=5)],
        [{}] * 11,
        _batch(user_identities=[1] * 11),
        {
            "type": "audience_membership_change_request",
            "user_profiles": [{"audiences": [{}] * 6}] * 2,
        },
    ],
)
def test_a_message_of_too_many_parts_is_one_dead_letter(message: Any) -> None:
    result = routed(message, max_parts=10)
    assert _reasons(result) == [("too_many_parts", None)]
    assert (result.outs, result.dropped) == ([], [])


def test_a_message_of_as_many_parts_as_may_be_is_routed() -> None:
    assert len(routed(_batch(events=9), max_parts=10).outs) == 9


def test_a_message_of_too_many_values_is_one_dead_letter_and_has_no_key() -> None:
    value = b'{"mpid":"17","events":[' + b"0," * parsing.MAX_VALUES + b"0]}"
    assert _reasons(routed(value)) == [("too_many_values", None)]
    assert look(value).key is None


def test_a_message_that_becomes_too_many_bytes_is_one_dead_letter() -> None:
    message = _batch(events=2_000, identities=4_000)
    result = routed(message)
    assert _reasons(result) == [("too_much_growth", None)]
    assert (result.outs, result.dropped) == ([], [])
    assert "ROUTER_MAX_GROWTH" in result.dead_letters[0].detail


def test_how_much_a_message_may_become_is_a_setting() -> None:
    message = _batch(events=60, identities=4_000)
    assert _reasons(routed(message, max_growth=1)) == [("too_much_growth", None)]
    result = routed(message, max_growth=100)
    assert (len(result.outs), result.dead_letters) == (60, [])


def test_ids_of_much_that_no_record_holds_count_as_growth() -> None:
    """They are made of all identities, also of those that say nothing."""
    message = _batch(
        events=2_000, user_identities=[{"type": "a", "value": "", "encoding": "y" * 200_000}]
    )
    for event in message["events"]:
        event["data"].pop("session_id")
    assert _reasons(routed(message)) == [("too_much_growth", None)]


@pytest.mark.parametrize("name", ["identities by name", "JSON in a text in an attribute"])
def test_what_is_not_measured_is_small_enough(name: str) -> None:
    """Of a message this small no record is larger than it could be measured to be."""
    limits = TopicLimits()
    for out in routed(SHAPES[name](limits.small)).outs:
        assert len(out.written()) < 8 * limits.small + 4096


def test_a_record_is_measured_by_what_its_topic_takes() -> None:
    message = _event(custom_attributes={"essay": "x" * 1_200_000})
    limits = TopicLimits({EVENTS.name: 1_048_588})
    raw = RawMessage(_written(message), AT, RECEIVED_MS, RouterSettings(), limits=limits)
    [result] = route_together([raw])
    assert _reasons(result) == [("record_too_large", 0)]
    assert "events takes 1048588 bytes" in result.dead_letters[0].detail


def test_small_messages_are_measured_too_where_a_topic_takes_little() -> None:
    message = _event(custom_attributes={"essay": "x" * 1_500})
    limits = TopicLimits({EVENTS.name: 1_000})
    raw = RawMessage(_written(message), AT, RECEIVED_MS, RouterSettings(), limits=limits)
    assert _reasons(route_together([raw])[0]) == [("record_too_large", 0)]


def test_a_message_that_a_person_set_aside_is_a_dead_letter_unread() -> None:
    position = f"{AT.partition}/{AT.offset}"
    result = routed(_event(), dead_letter_offsets=f"0/7, {position}")
    assert _reasons(result) == [("set_aside", None)]
    assert result.outs == []
    assert len(routed(_event(), dead_letter_offsets="0/7").outs) == 1


def _work(function: Callable[[bytes], object], value: bytes) -> int:
    """Calls, of Python and of C."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        function(value)
    finally:
        sys.setprofile(None)
    return calls


def _map(value: bytes) -> int:
    return sum(len(out.written()) for out in routed(value).outs)


# A part takes two bytes at least, and a dead letter of it some sixty calls.
_CALLS_PER_BYTE = 40


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("function", [_map, look, without_secrets])
def test_work_grows_as_the_bytes_do(function: Callable[[bytes], object], name: str) -> None:
    """Counted in calls: no time is measured, and no machine is too busy for it."""
    small, large = SHAPES[name](4_000), SHAPES[name](16_000)
    few, many = _work(function, small), _work(function, large)
    assert many <= 6 * few + 500
    assert many <= _CALLS_PER_BYTE * len(large)


@pytest.mark.parametrize("name", SHAPES)
def test_secrets_are_looked_for_in_time_that_grows_as_the_bytes_do(name: str) -> None:
    """A ratio of CPU time: quadratic work would be 64 times as much for 8 times the bytes."""

    def spent(size: int) -> int:
        value = SHAPES[name](size)
        best = sys.maxsize
        for _ in range(5):
            began = time.process_time_ns()
            without_secrets(value)
            best = min(best, time.process_time_ns() - began)
        return best

    assert spent(400_000) < 32 * spent(50_000) + 5_000_000


def _written(message: object) -> bytes:
    return orjson.dumps(message)
