"""Letting records in, beside requests that are under way."""

import asyncio
from typing import Any

import pytest

from streams.delivery.sink import LaneKey, Placement
from streams.outcomes import Dropped, Rejected
from tests.streams.delivery.flow import Flow, log, of_user, some_turns
from tests.streams.delivery.scripted import ScriptedSink
from tests.streams.records import event_source

AT_MOST_IN_A_TURN = 50


@pytest.mark.parametrize("partitions", [1, 4, 32])
async def test_a_turn_of_the_event_loop_admits_few_records_from_however_many_partitions(
    partitions: int,
) -> None:
    """A request takes several turns, so a turn that is long costs requests, not records."""
    counts = []
    async with Flow(max_rejected_share=1.0).running() as flow:
        assigned = [await flow.assign(number=number) for number in range(partitions)]
        for number, partition in enumerate(assigned):
            fates = [(f"{number}-{user}", "is not wanted") for user in range(100)]
            await flow.accept(partition, log(*fates, number=number))
        waiting = before = 100 * partitions
        while waiting:
            await asyncio.sleep(0)
            waiting = sum(partition.offsets.waiting for partition in assigned)
            counts.append(before - waiting)
            before = waiting

    assert max(counts) <= AT_MOST_IN_A_TURN


AHEAD = 100


class Ahead(ScriptedSink):
    """Wants no more than so many records placed before their turn."""

    admitted_ahead = AHEAD

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.placed = 0

    def place(self, record: Any, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        self.placed += 1
        return super().place(record, at, now_ms)


async def test_records_that_have_no_room_wait_as_they_were_fetched() -> None:
    sink = Ahead(most=30)
    async with Flow(destination=sink).running() as flow:
        partition = await flow.given(("17", "hangs"), *[("17", "passes")] * 999)
        await some_turns()
        assert AHEAD <= sink.placed <= AHEAD + AT_MOST_IN_A_TURN

        sink.released.set()
        await flow.settled(partition)

    assert of_user("17", sink.delivered) == list(range(1_000))


@pytest.mark.parametrize(
    "fate",
    ["passes", "is refused", "is not wanted", "has no place", "is ordinary", "breaks the placing"],
)
async def test_however_a_record_ends_it_makes_room(fate: str) -> None:
    async with Flow(destination=Ahead(most=30)).running() as flow:
        partition = await flow.given(*[("17", fate)] * 5 * AHEAD)
        await flow.settled(partition)

    assert partition.accounted == 5 * AHEAD


async def test_repeats_make_room_with_the_record_that_they_repeat() -> None:
    sink = Ahead(most=30)
    async with Flow(destination=sink).running() as flow:
        partition = await flow.assign()
        again = [event_source("17", "passes", offset, id_="again") for offset in range(5 * AHEAD)]
        await flow.accept(partition, again)
        await flow.settled(partition)

    assert sink.delivered == ["again"]


async def test_a_partition_that_waits_for_room_is_given_back_at_once() -> None:
    async with Flow(destination=Ahead(most=30)).running() as flow:
        partition = await flow.given(*[("17", "all wait an hour")] * 5 * AHEAD)
        await some_turns()

        async with asyncio.timeout(60):
            await flow.revoke(partition, deadline=3_600.0)
