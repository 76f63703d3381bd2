"""Whatever stands on the raw topic ends in something that can be seen."""

import hashlib
import json
from itertools import count
from typing import Any

import pytest

from agents.router import routing, schema_drift
from agents.router.settings import RouterSettings
from models.dead_letter import DeadLetter
from models.event import Event
from models.mparticle.published_fields import Fields
from streams.topics import DEAD_LETTERS, EVENTS, MAX_MESSAGE_BYTES
from tests.agents.router.routing import AT, RECEIVED_MS, routed, together

_MB = 1_000_000


def _request(**fields: Any) -> dict[str, Any]:
    event = {"type": "custom_event", "id": "e-1", "timestamp_ms": RECEIVED_MS, "name": "bought"}
    return {"type": "event_processing_request", "mpid": "17", "events": [event], **fields}


def _broken(*, events: int, size: int) -> bytes:
    return json.dumps(_request(events=[{}] * events, pad="x" * size)).encode()


def _only_letter(value: bytes) -> DeadLetter:
    result = routed(value)
    assert (result.outs, result.dropped) == ([], [])
    [letter] = result.dead_letters
    return letter


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"  ", "not_json"),
        (b'{"type":', "not_json"),
        (b'{"events":[]} {"events":[]}', "not_json"),
        (b'{"mpid":NaN,"events":[]}', "not_json"),
        (b'{"name":"a\x00b"}', "not_json"),
        (b"\xef\xbb\xbf{}", "unknown_message"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not_json"),
        (b'{"name":"\xff\xc0"}', "not_utf8"),
        (b'{"name":"\xed\xa0\x80"}', "not_utf8"),
        (b"[" * 101 + b"]" * 101, "too_deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
        (b"null", "unknown_message"),
        (b"17", "unknown_message"),
        (b'"' + b"[{" * 200 + b'"', "unknown_message"),
        (b'{"type":"quantum_request"}', "unknown_message"),
        (b'{"type":"event_batch","events":[]}', "unknown_message"),
    ],
)
def test_unreadable_bytes_end_as_one_dead_letter(value: bytes, reason: str) -> None:
    letter = _only_letter(value)
    assert (letter.reason, letter.stage, letter.index) == (reason, "router", None)
    assert letter.value == value
    assert (letter.topic, letter.partition, letter.offset) == (AT.topic, AT.partition, AT.offset)
    assert letter.first_at_ms == letter.last_at_ms == RECEIVED_MS


def test_dead_letter_keeps_the_key_of_the_raw_message() -> None:
    result = routing.route(b"?", AT, RECEIVED_MS, RouterSettings(), key=b"-77")
    [letter] = result.dead_letters
    assert letter.key == b"-77"


def test_five_megabytes_of_good_message_are_a_record() -> None:
    request = _request()
    request["events"][0]["attributes"] = {"essay": "x" * 5 * _MB}
    [out] = routed(request).outs
    assert isinstance(out.record, Event)
    assert out.record.attributes == {"essay": "x" * 5 * _MB}
    assert EVENTS.holds.validate_json(out.written()) == out.record


def test_a_record_that_its_topic_would_refuse_is_a_dead_letter() -> None:
    request = _request()
    request["events"][0]["attributes"] = {"essay": "x" * (MAX_MESSAGE_BYTES - 400)}
    letter = _only_letter(json.dumps(request).encode())
    assert (letter.reason, letter.index) == ("record_too_large", 0)


def test_five_megabytes_of_broken_message_are_kept_whole() -> None:
    value = _broken(events=1, size=5 * _MB)
    letter = _only_letter(value)
    assert (letter.value, letter.length, letter.truncated) == (value, len(value), False)
    assert letter.sha256 == hashlib.sha256(value).hexdigest()
    assert len(letter.model_dump_json()) < MAX_MESSAGE_BYTES


def test_too_large_a_broken_message_leaves_its_digest_length_and_head() -> None:
    value = _broken(events=1, size=9 * _MB)
    letter = _only_letter(value)
    assert (letter.value, letter.length, letter.truncated) == (value[: 64 * 1024], len(value), True)
    assert letter.sha256 == hashlib.sha256(value).hexdigest()


def test_many_broken_parts_of_a_large_message_do_not_multiply_it() -> None:
    value = _broken(events=1000, size=1 * _MB)
    letters = routed(value).dead_letters
    assert [letter.index for letter in letters] == list(range(1000))
    assert letters[0].value == value
    assert sum(len(letter.value) for letter in letters) <= MAX_MESSAGE_BYTES
    assert {letter.sha256 for letter in letters} == {letters[0].sha256}
    assert all(letter.truncated == (letter.value != value) for letter in letters)


@pytest.mark.parametrize("profiles", ["null", "[]"])
def test_membership_without_profiles_is_a_counted_drop(profiles: str) -> None:
    value = f'{{"type":"audience_membership_change_request","user_profiles":{profiles}}}'
    result = routed(value.encode())
    assert (result.outs, result.dead_letters, result.dropped) == ([], [], ["no_op"])


def test_dead_letter_blanks_the_settings_of_the_account_and_nothing_else() -> None:
    account = {"account_id": 4411, "account_settings": {"apiKey": "s3cret", "nested": ["s3cret"]}}
    blank = {"account_id": 4411, "account_settings": ""}
    value = json.dumps(_request(events=[{}], account=account)).encode()
    letter = _only_letter(value)
    assert letter.value == json.dumps(_request(events=[{}], account=blank)).encode()
    assert letter.length == len(letter.value)


def test_detail_tells_the_place_and_never_a_value() -> None:
    event = {"type": "session_start", "session_id": "1", "id": 1.5, "attributes": ["lin@shop"]}
    letter = _only_letter(json.dumps(_request(events=[event])).encode())
    assert letter.reason == "bad_id"
    assert letter.detail == (
        "id: An id is a whole number or text; attributes: Input should be an object"
    )


def test_detail_tells_an_unknown_type_only_when_it_looks_like_one() -> None:
    assert _only_letter(b'{"type":"quantum_request"}').detail == "type quantum_request"
    assert _only_letter(b'{"type":"lin@shop.example"}').detail == "type of unknown form"


def test_mistake_of_ours_costs_the_message_and_not_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mistaken(message: dict[str, Any], raw: object) -> None:
        raise LookupError(message["mpid"])

    monkeypatch.setattr(routing, "_HANDLERS", {"event_processing_request": mistaken})
    letter = _only_letter(json.dumps(_request()).encode())
    assert (letter.reason, letter.detail) == ("router_fault", "LookupError")


def test_mistake_of_ours_in_one_stage_costs_no_other_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = count(1)

    class Mistaken(dict[str, Fields]):
        def __getitem__(self, family: str) -> Fields:
            if next(asked) == 2:
                raise LookupError(family)
            return super().__getitem__(family)

    monkeypatch.setattr(schema_drift, "_MESSAGES", Mistaken(schema_drift._MESSAGES))
    values = [json.dumps({**_request(), "mpid": mpid}).encode() for mpid in ("-12", "-13", "-14")]
    before, broken, after = together(values)

    assert [(each.reason, each.detail) for each in broken.dead_letters] == [
        ("router_fault", "LookupError")
    ]
    assert not broken.outs
    assert [len(each.outs) for each in (before, after)] == [1, 1]


def test_dead_letter_reads_back_from_its_topic_byte_by_byte() -> None:
    letter = _only_letter(bytes(range(256)))
    assert DEAD_LETTERS.holds is not None
    assert DEAD_LETTERS.holds.validate_json(letter.model_dump_json()) == letter
