"""Times in all the ways that they are written."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from models.mparticle.times import UNREADABLE, Millis, milliseconds
from models.mparticle.values import NumberText

_MILLISECONDS = st.integers(10**12, 10**13 - 1)
_OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_few = settings(derandomize=True, deadline=None)


@_few
@given(_MILLISECONDS)
def test_time_in_any_unit_is_the_same_time(at_ms: int) -> None:
    seconds = at_ms // 1000
    for written, read in (
        (at_ms, at_ms),
        (seconds, seconds * 1000),
        (at_ms // 10, at_ms // 10 * 10),
        (at_ms * 1000 + 999, at_ms),
        (at_ms * 1_000_000 + 999_999, at_ms),
    ):
        assert milliseconds(written) == read
        assert milliseconds(str(written)) == read
        assert milliseconds(f" {written} ") == read
    assert milliseconds(NumberText(f"{seconds}.000")) == seconds * 1000


@_few
@given(_MILLISECONDS, _OFFSETS)
def test_time_in_words_is_the_same_time_wherever_it_is_told(at_ms: int, zone: timezone) -> None:
    time = datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)
    in_utc = time.isoformat()
    for written in (
        time.astimezone(zone).isoformat(),
        in_utc,
        in_utc.replace("+00:00", "Z"),
        in_utc.replace("+00:00", "").replace("T", " "),
    ):
        assert milliseconds(written) == at_ms


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (1_760_000_000_000.0, 1_760_000_000_000),
        (1_760_000_000_000.5, 1_760_000_000_000),
        (1_571_411_076.25, 1_571_411_076_250),
        ("1571411076.067235000", 1_571_411_076_067),
        (NumberText("1.760000000123E12"), 1_760_000_000_123),
        ("1.76e+9", 1_760_000_000_000),
        ("1.571411076067235E15", 1_571_411_076_067),
        ("1.5714110760672E9", 1_571_411_076_067),
        ("2025-10-09T08:53:20.123456789Z", 1_760_000_000_123),
        ("2025-10-09T08:53", 1_759_999_980_000),
    ],
)
def test_fraction_of_a_time_counts_as_far_as_milliseconds(written: object, read: int) -> None:
    assert milliseconds(written) == read


@pytest.mark.parametrize("written", [None, 0, 0.0, "", " ", "0", False])
def test_what_says_no_time_is_none(written: object) -> None:
    assert TypeAdapter(Millis).validate_python(written) is None


@pytest.mark.parametrize(
    "written",
    [
        123,
        17_599_999_999,
        20_251_009_085_320,
        10**17,
        10**19,
        -1_760_000_000_000,
        math.inf,
        math.nan,
        "soon",
        "1.76E13",
        "1.76E-12",
        "1E999999999",
        "E12",
        "yesterday",
        "2025-10-09",
        "20251009T085320Z",
        "2025-13-01T00:00:00Z",
        "2025-10-09T25:00:00Z",
        "1066-10-14T09:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "9" * 5_000,
        "²",
        "١٧٦٠٠٠٠٠٠٠٠٠٠",
        True,
        [1],
        {},
    ],
)
def test_what_says_nothing_sure_is_not_read(written: object) -> None:
    assert milliseconds(written) is None
    assert TypeAdapter(Millis).validate_python(written) == UNREADABLE


@_few
@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_whatever_is_read_lies_in_the_years_in_which_units_differ(written: object) -> None:
    read = milliseconds(written)
    assert read is None or 10**12 <= read < 10**13
