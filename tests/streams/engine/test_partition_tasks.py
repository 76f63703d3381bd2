"""Chunks of a partition are worked on one after the other, and partitions do not wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.engine.partition_tasks import PartitionTasks
from tests.streams.delivery.flow import some_turns
from tests.streams.records import new_partition


class Work:
    """Notes what begins and ends; `gate` lets it end."""

    def __init__(self) -> None:
        self.begun: list[tuple[Partition, int]] = []
        self.ended: list[tuple[Partition, int]] = []
        self.gate = asyncio.Event()

    async def __call__(self, chunk: Chunk) -> None:
        if chunk.partition.closed:
            return
        self.begun.append((chunk.partition, chunk.end))
        await self.gate.wait()
        self.ended.append((chunk.partition, chunk.end))


@asynccontextmanager
async def running(work: Work) -> AsyncIterator[PartitionTasks]:
    lanes = PartitionTasks(work)
    task = asyncio.create_task(lanes.run())
    try:
        yield lanes
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def partitions(lanes: PartitionTasks, count: int) -> list[Partition]:
    made = [new_partition(number=number) for number in range(count)]
    lanes.assigned(made)
    return made


async def close(lanes: PartitionTasks, *which: Partition, deadline: float = 5.0) -> None:
    for partition in which:
        partition.closed = True
    await lanes.revoked(which, deadline)


async def test_chunks_of_a_partition_go_one_after_the_other_in_the_order_they_came() -> None:
    work = Work()
    async with running(work) as lanes:
        (partition,) = partitions(lanes, 1)
        for end in (1, 2, 3):
            lanes.accept(Chunk(partition, (), end))
        await some_turns()
        begun = list(work.begun)
        work.gate.set()
        await some_turns()

    assert begun == [(partition, 1)]
    assert work.ended == [(partition, 1), (partition, 2), (partition, 3)]


async def test_partitions_do_not_wait_for_each_other() -> None:
    work = Work()
    async with running(work) as lanes:
        here, there = partitions(lanes, 2)
        lanes.accept(Chunk(here, (), 1))
        lanes.accept(Chunk(there, (), 1))
        await some_turns()

    assert work.begun == [(here, 1), (there, 1)]


async def test_a_chunk_that_comes_before_the_lane_runs_is_not_lost() -> None:
    work = Work()
    work.gate.set()
    lanes = PartitionTasks(work)
    (partition,) = partitions(lanes, 1)
    lanes.accept(Chunk(partition, (), 1))
    task = asyncio.create_task(lanes.run())
    await some_turns()
    task.cancel()

    assert work.ended == [(partition, 1)]


async def test_revoking_waits_for_the_chunk_at_work_and_starts_no_other() -> None:
    work = Work()
    async with running(work) as lanes:
        (partition,) = partitions(lanes, 1)
        lanes.accept(Chunk(partition, (), 1))
        lanes.accept(Chunk(partition, (), 2))
        await some_turns()
        closing = asyncio.create_task(close(lanes, partition))
        await some_turns()
        waited = not closing.done()
        work.gate.set()
        await closing
        lanes.accept(Chunk(partition, (), 3))
        await some_turns()

    assert waited
    assert work.begun == work.ended == [(partition, 1)]


async def test_a_chunk_that_takes_too_long_is_cut() -> None:
    work = Work()
    async with running(work) as lanes:
        (partition,) = partitions(lanes, 1)
        lanes.accept(Chunk(partition, (), 1))
        await some_turns()
        await close(lanes, partition, deadline=0.01)
        work.gate.set()
        await some_turns()

    assert work.ended == []


@pytest.mark.parametrize("turns", [0, 100])
async def test_revoking_idle_partitions_takes_no_time(turns: int) -> None:
    """Also such as were assigned only just now."""
    work = Work()
    async with running(work) as lanes:
        idle = partitions(lanes, 3)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await close(lanes, *idle, deadline=3600)
        await some_turns()

    assert work.begun == []


async def test_what_the_work_raises_ends_it() -> None:
    async def broken(chunk: Chunk) -> None:
        raise ZeroDivisionError

    lanes = PartitionTasks(broken)
    (partition,) = partitions(lanes, 1)
    lanes.accept(Chunk(partition, (), 1))

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(60):
            await lanes.run()
    assert raised.group_contains(ZeroDivisionError)
