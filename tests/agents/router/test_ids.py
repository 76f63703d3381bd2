"""Ids of records: distinct for what is distinct, the same for what comes again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.mparticle import numbers
from tests.agents.router.routing import routed

_TIME = 1_760_000_000_000
_STORED = [
    json.loads(line)
    for line in (Path(__file__).parent / "stored_ids.jsonl").read_text().splitlines()
]
"""Messages of every kind, numbers in every form, and the ids that their records have had."""


def _ids(message: Any) -> list[str]:
    result = routed(message)
    assert not result.dead_letters
    return [out.record.id for out in result.outs]


def _digest(described: list[Any]) -> str:
    content = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _event(**data: Any) -> dict[str, Any]:
    fields = {"event_id": 7, "event_name": "bought", "timestamp_unixtime_ms": _TIME}
    return {"event_type": "custom_event", "data": fields | data}


def _batch(*events: Any, **fields: Any) -> dict[str, Any]:
    return {"message_id": "m-1", "mpid": 5, "events": list(events), **fields}


def _membership(**fields: Any) -> dict[str, Any]:
    profile = {"mpid": "5", "audiences": [{"audience_id": 901, "action": "add"}]}
    return {
        "type": "audience_membership_change_request",
        "id": "m-1",
        "timestamp_ms": _TIME,
        "user_profiles": [profile],
        **fields,
    }


def test_recipe_is_the_one_written_down() -> None:
    """A change here makes everything in flight arrive once more: raise the recipe's version."""
    event, membership = _batch(_event()), _membership()
    [audience] = membership["user_profiles"][0]["audiences"]
    scope = ["m-1", _TIME, None, None]
    assert _ids(event) == [_digest([2, "custom_event", "5", None, event["events"][0]])]
    assert _ids(membership) == [_digest([2, "membership_changed", "5", scope, audience])]


def test_ids_are_those_of_the_releases_before() -> None:
    for each in _STORED:
        records = [out.record.id for out in routed(each["message"].encode()).outs]
        assert records == each["ids"], each["message"]


def test_ids_are_the_same_where_orjson_writes_numbers_in_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "IS_ORJSONS", False)
    test_ids_are_those_of_the_releases_before()


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e17)
@example(1.5e-05)
@example(-1e-05)
@settings(max_examples=500, derandomize=True)
def test_the_recipe_writes_numbers_as_they_were_written_for_ids_before(number: float) -> None:
    """As orjson 3.13 does, until it or another writes them in another way."""
    assert float(numbers.text(number)) == number
    if numbers.IS_ORJSONS:
        assert orjson.dumps(number).decode() == numbers.text(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e15, "1000000000000000.0"),
        (1e17, "1e+17"),
        (-1.5e17, "-1.5e+17"),
        (1e-4, "0.0001"),
        (1e-5, "0.00001"),
        (-1.5e-5, "-0.000015"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (-0.0, "-0.0"),
    ],
)
def test_a_number_has_one_text_in_ids(number: float, text: str) -> None:
    assert numbers.text(number) == text


@pytest.mark.parametrize("message", [_batch(_event()), _membership()])
def test_same_message_in_other_spelling_has_the_same_ids(message: dict[str, Any]) -> None:
    turned = dict(reversed(message.items()))
    assert _ids(json.dumps(turned, indent=4).encode()) == _ids(message)


def test_event_with_an_id_keeps_it_in_another_message() -> None:
    again = _batch(_event(event_id=1), _event(), message_id="m-2", batch_id=3)
    assert _ids(again)[1] == _ids(_batch(_event()))[0]


def _uploaded(event_id: int | None, **data: Any) -> dict[str, Any]:
    own = {"source_message_id": "c0-ffee", "session_uuid": "5E55-10"}
    return _event(event_id=event_id, **own | data)


def _firehose(id_: str | None, message: str, **event: Any) -> dict[str, Any]:
    own = {"type": "custom_event", "name": "bought", "timestamp_ms": _TIME, "source_id": "c0-ffee"}
    return {
        "type": "event_processing_request",
        "id": message,
        "timestamp_ms": _TIME + 5,
        "mpid": "5",
        "events": [own | {"id": id_} | event],
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_batch(_uploaded(7)), _batch(_uploaded(9), message_id="m-2", batch_id=3)),
        (_batch(_uploaded(7)), _batch(_uploaded(None, message_id="m-2"), message_id="m-2")),
        (_firehose("e-1", "m-1"), _firehose("e-2", "m-2")),
        (
            _batch({"event_type": "session_start", "data": _uploaded(1)["data"]}),
            _batch({"event_type": "session_start", "data": _uploaded(2)["data"]}),
        ),
    ],
)
def test_event_that_its_sender_uploads_twice_is_one(one: Any, other: Any) -> None:
    assert _ids(other) == _ids(one)


def test_event_that_stands_in_two_of_several_messages_at_once_is_one() -> None:
    one, other = _ids([_batch(_uploaded(7)), _batch(_uploaded(9), message_id="m-2")])
    assert other == one


@pytest.mark.parametrize(
    "other",
    [
        {"source_message_id": "c1-ffee"},
        {"timestamp_unixtime_ms": _TIME + 1},
        {"session_uuid": "5E55-11"},
        {"custom_attributes": {"sku": "S-2"}},
        {"event_name": "sold"},
    ],
)
def test_what_its_sender_says_otherwise_is_another_event(other: dict[str, Any]) -> None:
    assert _ids(_batch(_uploaded(9, **other))) != _ids(_batch(_uploaded(7)))


@pytest.mark.parametrize("said", [{"timestamp_unixtime_ms": None}, {"source_message_id": None}])
def test_without_its_senders_id_and_time_mparticles_id_tells_events_apart(
    said: dict[str, Any],
) -> None:
    assert _ids(_batch(_uploaded(9, **said))) != _ids(_batch(_uploaded(7, **said)))


@pytest.mark.parametrize(
    "other",
    [
        _batch(_event(event_id=8)),
        _batch(_event(timestamp_unixtime_ms=_TIME + 1)),
        _batch(_event(event_name="sold")),
        _batch(_event(), mpid=6),
    ],
)
def test_another_event_has_another_id(other: dict[str, Any]) -> None:
    assert _ids(other) != _ids(_batch(_event()))


@pytest.mark.parametrize(
    "other",
    [{"message_id": "m-2"}, {"batch_id": 9}, {"user_identities": {"email": "a@shop.example"}}],
)
def test_event_without_an_id_is_told_apart_by_its_message(other: dict[str, Any]) -> None:
    bare = _event(event_id=None)
    assert _ids(_batch(bare, **other)) != _ids(_batch(bare))


@pytest.mark.parametrize("other", [{"id": "m-2"}, {"timestamp_ms": _TIME + 1}])
def test_joining_again_later_is_another_record(other: dict[str, Any]) -> None:
    assert _ids(_membership(**other)) != _ids(_membership())


def test_equal_events_of_one_message_are_two() -> None:
    first, second = _ids(_batch(_event(), _event()))
    assert first == _ids(_batch(_event()))[0]
    assert second != first


def test_events_that_share_their_ids_are_told_apart() -> None:
    """As in a published sample: mParticle/custom-rules, `examples/batch-templates`."""
    shared = {"event_id": 7, "source_message_id": "s-1"}
    ids = _ids(_batch(_event(**shared), _event(**shared, event_name="sold")))
    assert len(set(ids)) == len(ids)


def test_records_of_one_part_are_told_apart() -> None:
    parts = {"product_action": {"action": "click"}, "product_impressions": [{"products": []}]}
    ids = _ids(_batch({"event_type": "commerce_event", "data": {"event_id": 7, **parts}}))
    assert len(set(ids)) == len(ids) == 2
