"""Faust's consumer with our chunks and offsets in it.

What is overridden, and why, is listed in docs/architecture.md; tests/streams/engine/test_guards.py
fails when an upgrade of Faust moves the ground.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams import metrics
from streams.engine import vitals
from streams.engine.chunks import Chunk
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.membership import Membership
from streams.engine.metadata import Progress
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.processor import Processor
from streams.engine.start import Start
from streams.engine.watchdog import StalledError, Watchdog

if TYPE_CHECKING:
    from streams.engine.transport import Transport

log = structlog.get_logger()

# A partition that was paused is asked for again after this long at the latest.
_FETCH_SECONDS = 0.25
_COMMIT_PAUSE_SECONDS = 0.05
_LOG_BOUNDS_SECONDS = 10.0
_LOOP_LAG_SECONDS = 0.5
_SUMMARY_SECONDS = 60.0


class Consumer(driver.Consumer):
    """Feeds chunks to the agents, and commits what has ended."""

    transport: "Transport"
    _thread: ConsumerThread
    processor: Processor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[TP, Partition] = {}
        self.membership = Membership(self.transport.kafka.session_timeout_s)
        self.gone: dict[TP, str] = {}
        """Partitions that are held because Kafka has deleted what comes next, and a sentence."""
        self._seeks = 0
        self._changed = asyncio.Event()
        self._commit_lock = asyncio.Lock()

    async def on_start(self) -> None:
        self.processor = self.transport.make_processor()
        await super().on_start()

    @Service.task
    async def _process(self) -> None:
        await self.processor.run()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- fetching

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ARG002, ASYNC109 - Faust's signature
        seeks = self._seeks
        records = await self._next_records()
        if not records or self.should_stop:
            return
        again = {}
        for tp, chunk in self.scheduler.iterate(records):
            partition = self.partitions.get(tp)
            if partition is None or partition.closed or tp in self.gone:
                continue  # held, or a rebalance is under way, which ends with a seek
            if seeks != self._seeks:
                # Asked for before that seek, answered after it, maybe before the flow goes on:
                # nobody knows from which position.
                again[tp] = partition.offsets.position
                continue
            if not self.flow_active:
                continue  # a rebalance has just begun
            if chunk[0].offset > partition.offsets.position and (
                await self._deleted(partition) or self.partitions.get(tp) is not partition
            ):
                continue
            yield tp, self._to_message(tp, chunk)
        if again:
            await self._thread.seek_to(again)

    async def _next_records(self) -> Mapping[TP, list[Any]]:
        """Faust's own sleeps for a second when nothing is to be fetched, however short that is."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # any event will do
        if active := self._get_active_partitions():
            return await self._getmany(active, _FETCH_SECONDS)
        await self.sleep(_FETCH_SECONDS)
        return {}

    def on_buffer_drop(self, tp: TP) -> None:
        """Room in Faust's own queue does not open a partition that we paused."""
        super().on_buffer_drop(tp)
        self._get_active_partitions().difference_update(self._paused_partitions)

    async def _deleted(self, partition: Partition) -> bool:
        """Whether Kafka deleted records before they were read; then the partition is held.

        Compaction and transaction marks make gaps too, but not at the head of the log.
        """
        position = partition.offsets.position
        first = await self._thread.first_offset(partition.tp)
        if first <= position:
            return False
        return self._hold(partition.tp, position, first)

    def _begin(self, tp: TP, start: Start) -> Progress | None:
        """Where to go on; None when the partition is held."""
        committed, first = start.progress, start.first
        if first <= committed.offset <= start.end:
            return committed
        if self._hold(tp, committed.offset, first, start.end):
            return None
        later = ((max(begin, first), end) for begin, end in committed.ended if end > first)
        return Progress(first, tuple(later), committed.epoch)

    def _hold(self, tp: TP, position: int, first: int, end: int | None = None) -> bool:
        """Holds a partition whose next records Kafka does not have, unless a setting skips them."""
        there = f"from {first} on" if end is None or position < first else f"{first} to {end}"
        said = f"{tp.topic}-{tp.partition}: offset {position} is next, Kafka has {there}"
        topic = self.transport.kafka.bare(tp.topic)
        metrics.OFFSETS_DELETED.labels(topic=topic).inc(max(0, first - position))
        if self.transport.kafka.deleted_offsets == "skip":
            log.warning("offsets_deleted_skipped", detail=said)
            return False
        self.gone[tp] = said
        log.error("offsets_deleted", detail=said, what_to_do="set KAFKA_DELETED_OFFSETS=skip")
        self.pause_partitions({tp})
        return True

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        partition = self.partitions[tp]
        partition.arrivals.came(
            ((r.offset, r.timestamp) for r in record), partition.offsets.watermark
        )
        todo = set(partition.fetched((r.offset, len(r.value or b"")) for r in record))
        partition.read += len(todo)
        last = record[-1]
        chunk = Chunk(
            partition,
            [r for r in record if r.offset in todo],
            end=last.offset + 1,
            fetched_at=asyncio.get_running_loop().time(),
        )
        metrics.RECORDS_READ.labels(topic=self.transport.kafka.bare(tp.topic)).inc(len(todo))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            chunk,  # type: ignore[arg-type]  # Faust only hands it on; see ChunkSchema
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _partition_changed(self, partition: Partition) -> None:
        self._changed.set()
        tp = partition.tp
        if partition.closed or tp in self.gone:
            return
        if partition.full:
            if tp not in self._paused_partitions:
                self.pause_partitions({tp})
        elif tp in self._paused_partitions and partition.drained:
            self.resume_partitions({tp})

    # -- assignment

    async def perform_seek(self) -> None:
        """Takes over the assigned partitions; Faust calls it before the flow starts."""
        self._forget()
        self.gone.clear()
        kafka = self.transport.kafka
        starts = {
            tp: progress
            for tp, start in (await self._thread.read_starts()).items()
            if (progress := self._begin(tp, start)) is not None
        }
        limit = InFlightLimit(kafka.in_flight_records, kafka.in_flight_bytes)
        partitions = {
            tp: Partition(tp, start, limit, self._partition_changed) for tp, start in starts.items()
        }
        await self.processor.assigned(list(partitions.values()))
        await self._thread.seek_to({tp: start.offset for tp, start in starts.items()})
        self._seeks += 1
        self._read_offset.update(dict.fromkeys(starts, None))
        self.partitions.update(partitions)
        metrics.REBALANCES.inc()
        # What a first start or a person's move decided must outlast a crash; and Kafka confirms.
        await self._commit(starts)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drains and commits before Faust forgets; then lets it go on."""
        self.stop_flow()
        await self.drain()
        await super().on_partitions_revoked(revoked)

    async def drain(self) -> None:
        """Closes all partitions, waits for what is in flight, commits, forgets."""
        partitions = list(self.partitions.values())
        for partition in partitions:
            partition.closed = True
        if partitions:
            deadline = self.transport.kafka.drain_s
            with metrics.DRAIN_SECONDS.time():
                await self.processor.revoked(partitions, deadline)
                # With the brokers away a commit waits for ever; what it misses is only repeated.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.commit(), deadline)
        self._forget()

    def _forget(self) -> None:
        vitals.count_ended(self.partitions.values(), self.transport.kafka.bare)
        self.partitions.clear()

    # -- commits

    def ask_for_commit(self) -> None:
        """Has a commit made soon, for Kafka to confirm that this worker is a member."""
        self._changed.set()

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self._changed.wait()
            self._changed.clear()
            await self.commit()
            await self.sleep(_COMMIT_PAUSE_SECONDS)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: every chunk is a gap to Faust's own bookkeeping."""

    @Service.task
    async def _watch(self) -> None:
        """Ends a worker that has work and no excuse, and does none of it."""
        limit = self.transport.kafka.stalled_after_s
        work, group = Watchdog(limit), Watchdog(limit)
        while not self.should_stop:
            await self.sleep(limit / 10)
            partitions = list(self.partitions.values())
            idle = not any(partition.offsets.waiting for partition in partitions)
            mark = tuple((p.tp, p.offsets.position, p.offsets.waiting) for p in partitions)
            if work.stalled(mark, excused=idle or self.processor.waits_on_purpose):
                raise StalledError(f"nothing ended for {limit:.0f} s, and nothing says why")
            if group.stalled(None, excused=self.membership.in_touch()):
                raise StalledError(f"Kafka answered no heartbeat for {limit:.0f} s")

    # -- what it tells of itself

    @Service.task
    async def _ask_log_bounds(self) -> None:
        while not self.should_stop:
            # Only a measure: without brokers the last answer stands, and the engine says the rest.
            with contextlib.suppress(KafkaError):
                await self._learn_log_bounds()
            await self.sleep(_LOG_BOUNDS_SECONDS)

    async def _learn_log_bounds(self) -> None:
        if not (asked := list(self.partitions)):
            return
        for tp, bounds in (await self._thread.log_bounds(asked)).items():
            if (partition := self.partitions.get(tp)) is not None:
                partition.bounds = bounds

    @Service.task
    async def _measure_loop_lag(self) -> None:
        while not self.should_stop:
            metrics.LOOP_LAG_SECONDS.observe(await vitals.lateness(_LOOP_LAG_SECONDS))

    @Service.task
    async def _summarize(self) -> None:
        summary = vitals.Summary()
        while not self.should_stop:
            await self.sleep(_SUMMARY_SECONDS)
            self._log_summary(summary)

    def _log_summary(self, summary: vitals.Summary) -> None:
        partitions = self.partitions.values()
        vitals.count_ended(partitions, self.transport.kafka.bare)
        blocked = self.processor.blocked
        log.info(
            "summary",
            **summary.since(),
            waiting=sum(partition.offsets.waiting for partition in partitions),
            blocked=blocked.reason if blocked else None,
        )

    async def commit_and_end_transactions(self) -> None:
        """Nothing: the drain has committed, and with Kafka away this would wait for ever."""

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: Faust's only logs, and is wrong about idle and paused partitions."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        """Commits what has ended since the last commit; all there is, when Kafka is to confirm it.

        A caller that finds another commit under way waits and then makes its own, so that a last
        commit before a revocation really is one.
        """
        async with self._commit_lock:
            sure = self.membership.sure()
            progress = {
                tp: now
                for tp, partition in self.partitions.items()
                if (now := partition.progress) != partition.committed or not sure
            }
            return not progress or await self._commit(progress)

    async def _commit(self, progress: Mapping[TP, Progress]) -> bool:  # type: ignore[override]  # our commits carry metadata
        asked_at = self.membership.now()
        if not await self._thread.commit_progress(progress):
            metrics.COMMITS_FAILED.inc()
            return False
        metrics.COMMITS.inc()
        if progress:
            self.membership.confirmed(asked_at)
        for tp, each in progress.items():
            if (partition := self.partitions.get(tp)) is not None:
                partition.committed = each
                self._partition_changed(partition)
        return True
