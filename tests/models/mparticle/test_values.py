"""How values drift on mParticle's wire, and what is read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from models.mparticle.values import (
    Amount,
    Attributes,
    Flag,
    Id,
    Mpid,
    Name,
    NumberText,
    RequiredId,
    Texts,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (-7_701_122_334_455_667_788, "-7701122334455667788"),
        (0, "0"),
        ("-7701122334455667788", "-7701122334455667788"),
        ("3fb44a79-df2d", "3fb44a79-df2d"),
        (NumberText("18446744073709551616"), "18446744073709551616"),
        ("", None),
        (None, None),
    ],
)
def test_id_is_text_digit_by_digit(written: object, read: str | None) -> None:
    known = TypeAdapter(Id).validate_python(written)
    assert known == read
    assert type(known) in (str, type(None))


@pytest.mark.parametrize("written", [1.0, NumberText("1.50"), NumberText("1e30"), True, [1], {}])
def test_id_that_may_have_lost_digits_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="bad_id"):
        TypeAdapter(Id).validate_python(written)


@pytest.mark.parametrize("written", [None, ""])
def test_required_id_must_be_there(written: object) -> None:
    with pytest.raises(ValidationError, match="missing"):
        TypeAdapter(RequiredId).validate_python(written)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a", "a"),
        (None, None),
        (True, True),
        (4, 4),
        (4.5, 4.5),
        (NumberText("4.50"), 4.5),
        (NumberText("1E+3"), 1000.0),
        (NumberText("0.12345678901234567891"), "0.12345678901234567891"),
        (NumberText("1e400"), "1e400"),
        (NumberText("1e99999999999999999999"), "1e99999999999999999999"),
        (NumberText("18446744073709551617"), "18446744073709551617"),
        (["a", 1, None], ["a", 1, None]),
        ([["b"], {"y": 1, "x": 2}], ['["b"]', '{"x":2,"y":1}']),
        ({"y": 1, "x": None}, '{"x":null,"y":1}'),
    ],
)
def test_attribute_keeps_its_value(written: Any, read: Any) -> None:
    known = TypeAdapter(Attributes).validate_python({"name": written})
    assert known == {"name": read}
    assert type(known["name"]) is type(read)


def test_no_attributes_are_an_empty_object() -> None:
    assert TypeAdapter(Attributes).validate_python(None) == {}


@pytest.mark.parametrize("written", [5, "x", ["x"], False])
def test_attributes_must_be_an_object(written: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Attributes).validate_python(written)


def test_settings_become_text() -> None:
    written = {"text": "x", "yes": True, "number": 5, "none": None, "list": [1]}
    read = {"text": "x", "yes": "true", "number": "5", "list": "[1]"}
    assert TypeAdapter(Texts).validate_python(written) == read


@pytest.mark.parametrize("written", [True, "true", "True", 1])
def test_flag_is_up(written: object) -> None:
    assert TypeAdapter(Flag).validate_python(written) is True


@pytest.mark.parametrize("written", [False, "false", 0, None, "", "yes?", [True]])
def test_flag_is_down(written: object) -> None:
    assert TypeAdapter(Flag).validate_python(written) is False


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("7.08", 7.08),
        (" 12 ", 12),
        ("+3", 3),
        ("-0.50", -0.5),
        ("007", 7),
        ("1.5E+3", 1500.0),
        (42.5, 42.5),
        (0, 0),
        ("", None),
        ("  ", None),
        (None, None),
        ("1,000.00", "1,000.00"),
        ("12.50 EUR", "12.50 EUR"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("0x1F", "0x1F"),
        ("1e400", "1e400"),
        ("18446744073709551617", "18446744073709551617"),
        ("9" * 5_000, "9" * 5_000),
        (True, True),
        (["7.08"], ["7.08"]),
    ],
)
def test_amount_is_a_number_however_it_is_written(written: object, read: object) -> None:
    known = TypeAdapter(Amount).validate_python(written)
    assert known == read
    assert type(known) is type(read)


@settings(derandomize=True, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_amount_as_text_is_the_amount_as_number(number: float) -> None:
    assert TypeAdapter(Amount).validate_python(repr(number)) == pytest.approx(number, rel=0, abs=0)


@pytest.mark.parametrize("written", [0, "0", -0, "-0", "000", NumberText("0"), "", None])
def test_user_id_zero_is_nobody(written: object) -> None:
    assert TypeAdapter(Mpid).validate_python(written) is None


@pytest.mark.parametrize("written", [10, "-7701122334455667788", "0f", 2**64 - 1])
def test_any_other_user_id_is_somebody(written: object) -> None:
    assert TypeAdapter(Mpid).validate_python(written) == str(written)


@pytest.mark.parametrize("written", [None, "", " ", "\t\n", "\u00a0", "\u200b\u2060", " \ufeff "])
def test_name_of_which_nothing_can_be_seen_is_none(written: object) -> None:
    assert TypeAdapter(Name).validate_python(written) is None


@pytest.mark.parametrize("written", ["VIP", " VIP ", "\u200bx", "日本", "0"])
def test_name_stays_as_it_is_written(written: object) -> None:
    assert TypeAdapter(Name).validate_python(written) == written
