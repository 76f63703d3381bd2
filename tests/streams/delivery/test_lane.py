"""How a refused batch is taken apart: the bad record alone is lost, in few requests, in order."""

from collections.abc import Collection
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import example, given
from hypothesis import strategies as st

from models.event import Event
from streams.delivery.lane import Item, Lane
from streams.delivery.sink import LaneKey
from tests.streams.properties import SMALL
from tests.streams.records import event, event_source, new_partition

MOST = 10_000
CALL = "call"


class Course(NamedTuple):
    """What became of a lane's records, by their place in it."""

    sizes: list[int]
    """Of the requests."""
    passed: list[int]
    refused: list[int]
    found_after: list[int]
    """How many requests it took to single out each refused record."""


@cache
def stored(offset: int) -> tuple[ConsumerRecord, Event]:
    return event_source("17", "passes", offset), event("17", "passes", str(offset))


def lane_of(count: int) -> Lane:
    lane = Lane(LaneKey("call", "17"))
    partition = new_partition()
    for offset in range(count):
        source, record = stored(offset)
        lane.append(Item(source, partition, 0, record=record))
    return lane


def send_all(count: int, poison: Collection[int], most: int = MOST) -> Course:
    """Sends until the lane is empty; a request with poison in it is refused."""
    lane = lane_of(count)
    course = Course([], [], [], [])
    while lane:
        records = lane.head(most)
        size = len(records)
        lane.record_attempt(size)
        course.sizes.append(size)
        if any(int(record.id) in poison for record in records):
            if (item := lane.record_refusal(size)) is not None:
                course.refused.append(item.source.offset)
                course.found_after.append(len(course.sizes))
        else:
            course.passed.extend(item.source.offset for item in lane.pop_delivered(size))
    return course


@given(st.integers(0, 999))
@example(0)
@example(499)
@example(500)
@example(999)
@SMALL
def test_one_poison_in_a_thousand_is_found_in_at_most_thirteen_requests(position: int) -> None:
    course = send_all(1_000, {position})

    assert course.sizes[0] == 1_000
    assert len(course.sizes) <= 13
    assert course.refused == [position]
    assert course.passed == [n for n in range(1_000) if n != position]


@given(
    count=st.integers(1, 130),
    most=st.sampled_from([1, 2, 7, MOST]),
    data=st.data(),
)
@SMALL
def test_any_poison_costs_itself_alone_and_the_order_stands(
    count: int, most: int, data: st.DataObject
) -> None:
    poison = data.draw(st.sets(st.integers(0, count - 1)))
    course = send_all(count, poison, most)

    assert course.refused == sorted(poison)
    assert course.passed == [n for n in range(count) if n not in poison]


@given(st.sets(st.integers(0, 999), min_size=1, max_size=5))
@SMALL
def test_each_poison_in_a_thousand_costs_at_most_twelve_requests_more(poison: set[int]) -> None:
    assert len(send_all(1_000, poison).sizes) <= 1 + 12 * len(poison)


def test_what_came_meanwhile_waits_until_the_suspects_are_through() -> None:
    lane = lane_of(8)
    assert lane.record_refusal(8) is None
    for item in [Item(event_source("17", "passes", 8), new_partition(), 0)]:
        item.record = event("17", "passes", "8")
        lane.append(item)

    assert [record.id for record in lane.head(MOST)] == ["0", "1", "2", "3"]


def test_what_passes_in_parts_is_tried_to_the_last_record_alone() -> None:
    lane, tried = lane_of(3), []
    assert lane.record_refusal(3) is None
    while lane:
        tried.append(len(lane.head(MOST)))
        lane.pop_delivered(tried[-1])

    assert tried == [1, 1, 1]


def test_no_request_carries_more_than_is_allowed() -> None:
    assert len(lane_of(9).head(4)) == 4


def test_each_try_of_a_record_is_counted_and_no_other() -> None:
    lane = lane_of(3)
    lane.record_attempt(1)
    lane.record_attempt(2)

    assert [item.attempts for item in lane.pop_delivered(3)] == [2, 1, 0]


class Seconds:
    """A clock to be set, in place of the lane's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(
            "streams.delivery.lane.clocks", SimpleNamespace(monotonic=lambda: self.now)
        )

    def at(self, now: float) -> None:
        self.now = now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    return Seconds(monkeypatch)


def test_a_lane_that_keeps_failing_while_others_pass_counts_its_seconds(clock: Seconds) -> None:
    lane, counted = lane_of(1), []
    for now in (0, 30, 60, 90):
        clock.at(now)
        counted.append((lane.record_failure(CALL, now - 10), lane.failing_s))

    assert counted == [(False, 0), (True, 30), (True, 60), (True, 90)]


def test_what_passes_says_nothing_of_another_endpoint_nor_of_what_failed_after_it_was_sent(
    clock: Seconds,
) -> None:
    lane, seen = lane_of(1), []
    for now, endpoint, others_sent_at in (
        *[(10, "call", 9), (20, "update", 19), (30, "call", 29), (40, "call", 30)],
        *[(50, "call", 41), (60, "call", 50)],
    ):
        clock.at(now)
        seen.append(lane.record_failure(endpoint, others_sent_at))

    assert seen == [False, False, False, False, True, False]


def test_what_passes_in_between_starts_the_count_anew(clock: Seconds) -> None:
    lane = lane_of(2)
    lane.record_failure(CALL, 0)
    clock.at(100)
    assert lane.record_failure(CALL, 90)
    lane.pop_delivered(1)
    clock.at(200)

    assert not lane.record_failure(CALL, 190)
    assert lane.failing_s == 0


@pytest.mark.parametrize("tries_meanwhile", [[], [60.0], [60.0, 1_800.0, 3_590.0]])
def test_an_outage_does_not_count_against_a_lane_that_failed_before_it(
    clock: Seconds, tries_meanwhile: list[float]
) -> None:
    """It fails, nothing passes for an hour, and it fails once more when all is well again."""
    lane = lane_of(1)
    lane.record_failure(CALL, 0)
    for now in tries_meanwhile:
        clock.at(now)
        assert not lane.record_failure(CALL, 0)
    clock.at(3_600)

    assert lane.record_failure(CALL, 3_599)
    assert lane.failing_s < 15 * 60
