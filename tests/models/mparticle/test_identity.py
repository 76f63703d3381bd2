"""Identities in all of mParticle's spellings."""

from typing import Any

import pytest

from models.mparticle.identity import DEVICE, DEVICE_FIELDS, USER, read_identities
from models.mparticle.values import UnreadableError
from models.record import Identity


def _refuse(place: int | None, error: UnreadableError) -> None:
    raise AssertionError(f"{place}: {error}")


def _types(written: object, spelling: Any) -> list[str]:
    return [identity["type"] for identity in read_identities(written, spelling, _refuse)]


def _encodings(written: object) -> list[str]:
    return [identity["encoding"] for identity in read_identities(written, USER, _refuse)]


@pytest.mark.parametrize(
    "written",
    [
        [{"type": "customer", "encoding": "raw", "value": "C-1"}],
        [{"identity_type": "customer_id", "identity": "C-1", "timestamp_unixtime_ms": 1}],
        {"customer_id": "C-1"},
        {"customerid": "C-1", "email": None},
        {"controller_customer_id": {"value": "C-1", "encoding": "raw"}},
        [{"type": "CUSTOMER", "encoding": "RAW", "value": "C-1"}, {}, None, {"type": "email"}],
        [{"type": "customer", "encoding": None, "value": "C-1"}],
    ],
)
def test_every_spelling_is_the_same_identity(written: object) -> None:
    [identity] = read_identities(written, USER, _refuse)
    assert Identity(**identity) == Identity(type="customer_id", value="C-1")


@pytest.mark.parametrize("number", range(2, 11))
def test_other_ids_have_the_batches_names(number: int) -> None:
    assert _types({f"other{number}": "x"}, USER) == [f"other_id_{number}"]
    assert _types({f"other_id_{number}": "x"}, USER) == [f"other_id_{number}"]


@pytest.mark.parametrize(
    "type_",
    [
        "google_advertising_id",
        "android_id",
        "ios_advertising_id",
        "ios_vendor_id",
        "roku_publishing_id",
        "fire_advertising_id",
        "microsoft_publisher_id",
    ],
)
def test_device_ids_have_the_names_of_device_info(type_: str) -> None:
    [known] = _types({type_: "x"}, DEVICE)
    assert known in DEVICE_FIELDS


def test_partner_types_are_free_text() -> None:
    assert _types([{"type": "Customer", "value": "x"}], None) == ["Customer"]


def test_object_comes_sorted_and_list_as_it_stands() -> None:
    assert _types({"yahoo": "1", "email": "2"}, USER) == ["email", "yahoo"]
    assert _types([{"type": name, "value": "x"} for name in ("yahoo", "email")], USER) == [
        "yahoo",
        "email",
    ]


@pytest.mark.parametrize("value", ["", " ", None, "00000000-0000-0000-0000-000000000000"])
def test_what_has_no_value_is_no_identity(value: object) -> None:
    assert _types([{"type": "email", "value": value}], USER) == []


@pytest.mark.parametrize(("digits", "encoding"), [(32, "md5"), (40, "sha1"), (64, "sha256")])
@pytest.mark.parametrize("type_", ["email", "Email", "mobile_number", "phone_number_3"])
@pytest.mark.parametrize("said", [{}, {"encoding": None}, {"encoding": "raw"}])
def test_digest_that_says_no_encoding_is_told_by_its_length(
    digits: int, encoding: str, type_: str, said: dict[str, Any]
) -> None:
    value = "0aF9" * (digits // 4)
    [identity] = read_identities([{"type": type_, "value": value, **said}], USER, _refuse)
    assert identity == {"type": type_.lower(), "value": value, "encoding": encoding}
    assert _encodings({type_: value}) == [encoding]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("customer_id", "a" * 32),
        ("other_id_2", "b" * 64),
        ("email", "a" * 31),
        ("email", "a" * 31 + "@"),
        ("email", "g" * 32),
        ("email", "lin@shop.example"),
        ("mobile_number", "4915112345678"),
    ],
)
def test_what_may_be_no_digest_stays_as_it_is(type_: str, value: str) -> None:
    assert _encodings({type_: value}) == ["raw"]


@pytest.mark.parametrize("written", [None, [], {}, ""])
def test_no_identities_are_none(written: object) -> None:
    assert _types(written, USER) == []


@pytest.mark.parametrize(
    "broken",
    [
        5,
        {"value": "x"},
        {"type": 5, "value": "x"},
        {"type": "email", "value": 1.5},
        {"type": "email", "value": True},
        {"type": "email", "value": ["x"]},
        {"type": "email", "value": "x", "encoding": "rot13"},
        {"type": "email", "value": "x", "encoding": 5},
    ],
)
def test_broken_identity_is_refused_with_its_place_and_without_its_value(broken: object) -> None:
    refused: list[tuple[int | None, str]] = []
    good = {"type": "yahoo", "value": "y"}
    known = read_identities([good, broken], USER, lambda at, why: refused.append((at, str(why))))
    assert [identity["type"] for identity in known] == ["yahoo"]
    [(place, why)] = refused
    assert place == 1
    assert "rot13" not in why


def test_what_is_no_list_of_identities_is_refused_as_a_whole() -> None:
    refused: list[int | None] = []
    assert read_identities("x", USER, lambda at, _: refused.append(at)) == []
    assert refused == [None]
