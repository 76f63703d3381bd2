"""Faust's consumer with our chunks and offsets in it.

What is overridden, and why, is listed in docs/architecture.md; tests/streams/engine/test_guards.py
fails when an upgrade of Faust moves the ground.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.types import TP
from mode import Service

from streams import metrics
from streams.engine import vitals
from streams.engine.commits import Commits
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.fetching import FetchingConsumer
from streams.engine.membership import Membership
from streams.engine.metadata import Progress
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.processor import Processor
from streams.engine.watchdog import watch

_COMMIT_PAUSE_SECONDS = 0.05
# What Faust takes for that, and waits for the next assignment.
_OVERTAKEN = IllegalStateError("another rebalance has begun")


class Consumer(FetchingConsumer):
    """Takes partitions over and gives them back; in between commits what has ended."""

    processor: Processor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._drains = 0
        self._is_revoked = False
        self.membership = Membership(self.transport.kafka.session_timeout_s)
        self.commits = Commits(self.partitions, self.membership, self._commit)

    async def on_start(self) -> None:
        self.processor = self.transport.make_processor()
        await super().on_start()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- what runs beside all else; whatever one of them raises ends the worker

    @Service.task
    async def _process(self) -> None:
        await self._or_drain(self.processor.run())

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.commits.due()
            await self.commit()
            await self.sleep(_COMMIT_PAUSE_SECONDS)

    @Service.task
    async def _watch(self) -> None:
        limit = self.transport.kafka.stalled_after_s
        work = watch(limit, self.partitions, self.processor, self.membership)
        await self._or_drain(work)

    async def _or_drain(self, work: Awaitable[None]) -> None:
        """Commits what has ended before a crash: Faust's takes the thread along that commits."""
        try:
            await work
        except Exception:
            await self.drain()
            raise

    @Service.task
    async def _tell_of_itself(self) -> None:
        await asyncio.gather(
            vitals.keep_log_bounds(self.partitions, self._thread.log_bounds),
            vitals.keep_loop_lag(),
            vitals.keep_summary(self.partitions, self.processor, self.transport.kafka.bare),
        )

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: Faust's only logs, and is wrong about idle and paused partitions."""

    # -- assignment

    async def perform_seek(self) -> None:
        """Takes over the assigned partitions; Faust calls it before the flow starts.

        Raises IllegalStateError when the next rebalance has begun: Faust calls this beside the
        rebalance that gave the partitions, at any time after it.
        """
        if self._is_revoked:
            raise _OVERTAKEN
        self._forget()
        self.gaps.held.clear()
        drains = self._drains
        starts = {
            tp: progress
            for tp, start in (await self._thread.read_starts()).items()
            if (progress := self.gaps.begin(tp, start)) is not None
        }
        self.pause_partitions(self.gaps.held)
        await self.seek_to({tp: start.offset for tp, start in starts.items()})
        if drains != self._drains:
            raise _OVERTAKEN
        self._read_offset.update(dict.fromkeys(starts, None))
        kafka = self.transport.kafka
        limit = InFlightLimit(kafka.in_flight_records, kafka.in_flight_bytes)
        for tp, start in starts.items():
            self.partitions[tp] = Partition(tp, start, limit, self._partition_changed)
        # Each is fetched when its processor starts it.
        self.pause_partitions(self.partitions)
        await self.processor.assigned(list(self.partitions.values()))
        metrics.REBALANCES.inc()
        await self.commits.begin(starts)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._is_revoked = False
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drains and commits before Faust forgets; then lets it go on."""
        self._is_revoked = True
        self.stop_flow()
        await self.drain()
        await super().on_partitions_revoked(revoked)

    async def drain(self) -> None:
        """Closes all partitions, waits for what is in flight, commits, forgets."""
        self._drains += 1
        partitions = self._close()
        if partitions:
            deadline = self.transport.kafka.drain_s
            with metrics.DRAIN_SECONDS.time():
                await self.processor.revoked(partitions, deadline)
                # With the brokers away a commit waits for ever; what it misses is only repeated.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.commit(), deadline)
        self._forget()

    def _close(self) -> list[Partition]:
        partitions = list(self.partitions.values())
        for partition in partitions:
            partition.closed = True
        return partitions

    def _forget(self) -> None:
        vitals.count_ended(self._close(), self.transport.kafka.bare)
        self.partitions.clear()

    # -- commits, in place of Faust's

    def _partition_changed(self, partition: Partition) -> None:
        self.commits.ask()
        self.pause_or_resume(partition)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        return await self.commits.commit()

    async def _commit(self, offsets: Mapping[TP, Progress]) -> bool:  # type: ignore[override]  # our commits carry metadata
        return await self._thread.commit_progress(offsets)

    async def commit_and_end_transactions(self) -> None:
        """Nothing: the drain has committed, and with Kafka away this would wait for ever."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: every chunk is a gap to Faust's own bookkeeping."""
