"""Who is due on which days, read from the members' topic in one go."""

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from agents.ab_tasty.day_slices import DaySlices, joined_value, turn
from tests.streams.records import source

DUE_MS = 1_000
TODAY = 20_000


def said(number: int, at_ms: int | None, offset: int) -> ConsumerRecord:
    value = None if at_ms is None else joined_value(at_ms, "mpid")
    return source(value, offset, key=b"%d/31001" % number)


def slices(days: int, every: int = 21, most: int = 1_000) -> DaySlices:
    """Of the last days up to today."""
    return DaySlices(range(TODAY - days + 1, TODAY + 1), every, DUE_MS, most, "mpid")


def due(read: DaySlices) -> list[str]:
    return sorted(member.visitor_id for _, members in read.due() for member in members)


@pytest.mark.parametrize("every", [1, 7, 21, 27])
def test_everyone_has_a_turn_once_in_so_many_days(every: int) -> None:
    days = [slices(1, every)] + [
        DaySlices(range(day, day + 1), every, DUE_MS, 1, "mpid")
        for day in range(TODAY - every + 1, TODAY)
    ]
    for number in range(500):
        assert sum(day.holds(b"%d/31001" % number) for day in days) == 1


@pytest.mark.parametrize(
    ("said_of_one", "is_due"),
    [
        ([DUE_MS], True),
        ([DUE_MS + 1], False),
        ([DUE_MS - 1, DUE_MS + 1], False),
        ([DUE_MS + 1, DUE_MS], True),
        ([DUE_MS, None], False),
        ([None, DUE_MS], True),
        ([None], False),
    ],
)
def test_the_last_word_on_a_member_holds(said_of_one: list[int | None], is_due: bool) -> None:
    read = slices(21)
    for offset, at_ms in enumerate(said_of_one):
        read.add(said(1, at_ms, offset))
    assert due(read) == (["1"] if is_due else [])


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"9" * 20, b"9" * 5_000])
def test_what_is_no_time_is_nobody(value: bytes) -> None:
    read = slices(21)
    read.add(source(value + b" mpid", 0, key=b"1/31001"))
    assert due(read) == []


def test_a_key_of_somebody_elses_names_no_visitor_of_ours() -> None:
    read = slices(21)
    read.add(source(joined_value(1, "mpid"), 0, key=b"\xff/31001"))
    assert due(read) == ["\N{REPLACEMENT CHARACTER}"]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.none() | st.integers(0, 2 * DUE_MS)), max_size=200),
    st.integers(1, 21),
    st.integers(1, 40),
)
def test_however_little_room_there_is_the_first_days_are_read_whole(
    log: list[tuple[int, int | None]], days: int, most: int
) -> None:
    read = slices(days, most=most)
    for offset, (number, at_ms) in enumerate(log):
        read.add(said(number, at_ms, offset))
    found = dict(read.due())

    first = TODAY - days + 1
    assert list(found) == list(range(first, first + len(found)))
    assert len(found) == 1 or sum(map(len, found.values())) <= most
    last = dict(log)
    for day, members in found.items():
        expected = {
            str(number)
            for number, at_ms in last.items()
            if at_ms is not None and at_ms <= DUE_MS and turn(b"%d/31001" % number, 21) == day % 21
        }
        assert {member.visitor_id for member in members} == expected
        assert [member.offset for member in members] == sorted(each.offset for each in members)
