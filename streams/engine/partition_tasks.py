"""Runs a task for each assigned partition, which works on its chunks one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from streams.engine.chunks import Chunk
from streams.engine.partition import Partition


@dataclass(slots=True)
class _Lane:
    chunks: asyncio.Queue[Chunk] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None


class PartitionTasks:
    """Keeps partitions from waiting for each other.

    The queues need no bound of their own: what is in them counts as under way, so the engine
    pauses a partition that has too much of it.
    """

    def __init__(self, work: Callable[[Chunk], Awaitable[None]]) -> None:
        self._work = work
        self._lanes: dict[Partition, _Lane] = {}
        self._new: asyncio.Queue[Partition] = asyncio.Queue()

    async def run(self) -> None:
        """Runs until cancelled; raises what the work raises."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                partition = await self._new.get()
                if (lane := self._lanes.get(partition)) is not None:
                    lane.task = tasks.create_task(self._run(partition, lane))

    async def _run(self, partition: Partition, lane: _Lane) -> None:
        while not partition.closed:
            await self._work(await lane.chunks.get())

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Opens a lane for each partition, and has it fetched."""
        for partition in partitions:
            self._lanes[partition] = _Lane()
            self._new.put_nowait(partition)
            partition.start()

    def accept(self, chunk: Chunk) -> None:
        """Queues a chunk; one of a partition that was revoked meanwhile will be fetched again."""
        if (lane := self._lanes.get(chunk.partition)) is not None:
            lane.chunks.put_nowait(chunk)

    async def revoked(self, partitions: Iterable[Partition], deadline: float) -> None:
        """Waits `deadline` seconds for the chunks at work; closed partitions start no other."""
        tasks = set()
        for partition in partitions:
            lane = self._lanes.pop(partition, None)
            if lane is not None and lane.task is not None:
                lane.chunks.put_nowait(Chunk(partition, ()))  # wakes one that waits
                tasks.add(lane.task)
        await end_within(deadline, tasks)


async def end_within(seconds: float, tasks: Collection[asyncio.Task[None]]) -> None:
    """Returns when all tasks have ended; cancels those that have not by then."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
