"""Records on their topics: lean, and read back as they were written."""

import json
from typing import Any

import pytest

from models.audience_membership import AudienceChanged, MembershipChanged
from models.dead_letter import DeadLetter
from models.event import Event
from models.privacy_request import ConsentChanged
from models.record import Identity, RawPosition, Record, kinds_superseded_by
from models.user_update import AttributesChanged, IdentitiesChanged
from streams.topics import EVENTS, USER_UPDATE
from tests.routed import written

_FIXED: dict[str, Any] = {
    "id": "r-1",
    "received_at_ms": 1_760_000_000_000,
    "raw": RawPosition(topic="mparticle-raw", partition=0, offset=7, index=0),
}


def _written(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written(record).value)
    return found


def test_record_leaves_out_what_says_nothing() -> None:
    assert _written(AttributesChanged(**_FIXED)) == {
        "schema_version": 1,
        "kind": "attributes_changed",
        "id": "r-1",
        "received_at_ms": 1_760_000_000_000,
        "environment": "production",
        "raw": {"topic": "mparticle-raw", "partition": 0, "offset": 7, "index": 0},
    }


def test_record_never_loses_a_null_inside() -> None:
    attributes = {"vip": None, "list": [None, "a"], "no": False, "empty": "", "zero": 0}
    event = Event(
        **_FIXED, kind="k", name="n", attributes=attributes, details={"deep": {"x": None}}
    )
    found = _written(event)
    assert found["attributes"] == attributes
    assert found["details"] == {"deep": {"x": None}}


@pytest.mark.parametrize(
    "record",
    [
        AttributesChanged(
            **_FIXED, attributes={"a": 1, "b": 1.0, "c": True, "d": "1"}, removed=("e",)
        ),
        IdentitiesChanged(**_FIXED, added=(Identity(type="email", value="x", encoding="md5"),)),
    ],
)
def test_record_reads_back_from_its_topic(record: Record) -> None:
    assert USER_UPDATE.holds is not None
    read = USER_UPDATE.holds.validate_json(written(record).value)
    assert read == record
    assert written(read) == written(record)


def test_integer_stays_an_integer_digit_by_digit() -> None:
    event = Event(**_FIXED, kind="k", name="n", attributes={"id": 9_007_199_254_740_993})
    assert EVENTS.holds is not None
    assert EVENTS.holds.validate_json(written(event).value) == event
    assert b":9007199254740993}" in written(event).value


def test_older_reader_ignores_a_newer_field() -> None:
    record = AudienceChanged(**_FIXED, change="updated", audience_id="901")
    newer = _written(record) | {"schema_version": 2, "colour": "red"}
    assert AudienceChanged.model_validate(newer).audience_id == "901"


def test_consent_of_nothing_is_left_out() -> None:
    assert "old" not in _written(
        ConsentChanged(**_FIXED, regulation="gdpr", new={"consented": True})
    )


def test_first_plain_identity_of_a_type_is_the_identity() -> None:
    identities = (
        Identity(type="email", value="c0ffee", encoding="sha256"),
        Identity(type="email", value="user17@shop.example"),
        Identity(type="email", value="user18@shop.example"),
    )
    event = Event(**_FIXED, kind="k", name="n", identities=identities)
    assert event.identity("email") == "user17@shop.example"
    assert event.identity("google") is None


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"plain text", b"aGVsbG8="])
def test_dead_letter_holds_any_bytes_as_they_are(value: bytes) -> None:
    """Also bytes that are base64 themselves: in Python they are bytes, in JSON base64 of them."""
    letter = DeadLetter(
        stage="router",
        reason="not_json",
        topic="mparticle-raw",
        partition=0,
        offset=7,
        first_at_ms=1,
        last_at_ms=1,
        key=value,
        value=value,
        length=len(value),
        sha256="",
    )
    assert (letter.key, letter.value) == (value, value)
    read = DeadLetter.model_validate_json(letter.model_dump_json())
    assert (read.key, read.value) == (value, value)


def test_a_record_says_itself_how_an_older_one_is_told() -> None:
    joined = MembershipChanged(
        id="1",
        change="joined",
        audience_id="31001",
        received_at_ms=0,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    )
    assert (joined.superseded_by, joined.subject) == ("event time", "31001")
    assert kinds_superseded_by("event time") == {b"membership_changed"}
    assert kinds_superseded_by("raw position") == {b"attributes_changed"}
