"""Letting records in, beside requests that are under way."""

import asyncio

import pytest

from tests.streams.delivery.flow import Flow, log

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
