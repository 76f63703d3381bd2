"""Times as a person gives them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.times import Target, moment, shown

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-30T00:00:00Z", datetime(2026, 1, 30, tzinfo=UTC)),
        (
            "2026-01-30T02:30+02:00",
            datetime(2026, 1, 30, 2, 30, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_a_time_is_a_date_with_its_zone_or_how_long_ago(text: str, meant: datetime) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is no time"),
        ("2 h", "is no time"),
        ("h", "is no time"),
        ("", "is no time"),
        ("2026-01-30", "no time zone"),
        ("2026-01-30T00:00:00", "no time zone"),
        ("999999999d", "longer ago than there are dates"),
    ],
)
def test_anything_else_says_what_to_give(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("text", "meant"), [("earliest", "earliest"), ("0", 0), ("9007199254740993", 2**53 + 1)]
)
def test_a_replay_may_also_begin_at_the_earliest_record_or_an_offset(
    text: str, meant: str | int
) -> None:
    assert Target().convert(text, None, None) == meant


def test_what_is_shown_can_be_given() -> None:
    at_ms = 1_767_225_600_000
    assert moment(shown(at_ms), NOW).timestamp() * 1000 == at_ms


@pytest.mark.parametrize("at_ms", [2**63 - 1, -(2**63), 10**30])
def test_what_no_calendar_has_is_shown_as_the_number_that_it_is(at_ms: int) -> None:
    """Kafka keeps whatever time a producer says."""
    assert shown(at_ms) == f"{at_ms} ms"
