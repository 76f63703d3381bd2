"""The group's part of `user-update`: where it stands, what comes after, and how far it has come."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata
from faust.types import TP

from agents.sailthru.fill.error import FillError
from agents.sailthru.fill.exclusive_group import ExclusiveGroup, alone
from agents.sailthru.topics import FILL
from streams.engine.deleted_records import DeletedRecords
from streams.engine.held_partitions import Holds
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.startup import prepare, read_begins, read_progress
from streams.kafka import groups, ranges
from streams.kafka.clients import answering, reading
from streams.kafka.commit_metadata import Progress, encode
from streams.kafka.committed_offsets import read_committed
from streams.kafka.log_bounds import Bounds
from streams.kafka.ranges import Range
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import USER_UPDATE, Topic

_SILENCE_SECONDS = 30.0
_WINDOW_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One partition: from where its offsets stand to before `end`, which is the end as of now."""

    partition: Partition
    end: int

    @property
    def left(self) -> int:
        return max(0, self.end - self.partition.offsets.watermark)


class Backlog:
    """Reads without joining the group, and commits, which Kafka allows while the group is empty."""

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        group: str,
        cluster: str,
        consumer: AIOKafkaConsumer,
        held: ExclusiveGroup | None,
    ) -> None:
        self._kafka = kafka
        self._worker = worker
        self._group = group
        self._cluster = cluster
        self._consumer = consumer
        self._held = held

    async def parts(self, every: Sequence[TopicPartition]) -> Sequence[Part]:
        """The partitions of `user-update`; `every` are all that the group reads."""
        name = self._kafka.topic(USER_UPDATE.name)
        ours = sorted(tp for tp in every if tp.topic == name)
        there = await ranges.whole(self._consumer, ours)
        # A partition without an offset was added later, and is read from its beginning.
        starts = {each.tp: Progress(each.start) for each in there}
        if await read_committed(self._consumer, every):
            starts |= await read_progress(self._consumer, ours, self._cluster)
        else:
            begins = await read_begins(self._consumer, ours, self._kafka.initial_offset)
            starts = {tp: Progress(begins[tp]) for tp in ours}
        holds: Holds = {}
        deleted_records = DeletedRecords(self._kafka, holds)
        parts = []
        for tp, first, end in there:
            progress = deleted_records.begin(TP(*tp), starts[tp], Bounds(first, end, end))
            if progress is None:
                said = holds[TP(*tp)].said
                raise FillError(f"{said}: set KAFKA_DELETED_RECORDS=skip to go on without them.")
            partition = Partition(TP(*tp), progress, InFlightLimit(), lambda _: None)
            parts.append(Part(partition, end))
        return parts

    async def windows(self, part: Part, users: int) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Its records in order, of so many users at a time, or of what may be in flight.

        What one message said of a user stays together: before a change of address it may name the
        address that came with it. Of a user who never ends there is twice as much at most.
        """
        window: list[ConsumerRecord] = []
        of: set[bytes | None] = set()
        size, most = 0, min(_WINDOW_BYTES, self._worker.max_in_flight_bytes)
        async for record in self._records(part):
            full = len(of) >= users or size >= most
            if full and (record.key != window[-1].key or size >= 2 * most):
                yield window
                window, of, size = [], set(), 0
            window.append(record)
            of.add(record.key)
            size += len(record.value or b"")
        if window:
            yield window

    async def _records(self, part: Part) -> AsyncIterator[ConsumerRecord]:
        tp = TopicPartition(*part.partition.tp)
        left = Range(tp, part.partition.offsets.watermark, part.end)
        async for _, records in ranges.read(
            self._kafka, self._consumer, [left], silence_s=_SILENCE_SECONDS
        ):
            for record in records:
                yield record

    async def commit(self, partition: Partition) -> None:
        """With our text beside the offset: a worker takes it for its own, and for no replay."""
        if self._held is not None:
            self._held.check()
        progress = partition.progress
        offset = OffsetAndMetadata(progress.offset, encode(progress, self._cluster))
        async with answering(self._kafka):
            try:
                await self._consumer.commit({TopicPartition(*partition.tp): offset})
            except CommitFailedError as error:
                raise _live(self._group) from error
        partition.was_committed(progress)


@asynccontextmanager
async def opened(
    kafka: KafkaSettings,
    worker: WorkerSettings,
    group: str,
    reads: Sequence[Topic],
    *,
    execute: bool,
) -> AsyncIterator[tuple[Backlog, Sequence[Part]]]:
    """The log and what is to be filled; raises what says that it must not or cannot be.

    Only to `execute` must the group be stopped, and is one without offsets begun.
    """
    async with answering(kafka):
        cluster = await prepare(kafka, group, reads, needed=FILL, component="fill", begin=False)
        every, live = await groups.look(kafka, group, reads)
    if execute and live:
        raise _live(group)
    async with alone(kafka, group) if execute else nullcontext() as held:
        if execute:
            async with answering(kafka):
                await prepare(kafka, group, reads, needed=FILL, component="fill")
        async with reading(
            kafka,
            group,
            # Records that Kafka deletes meanwhile are not passed over.
            auto_offset_reset="none",
            max_partition_fetch_bytes=kafka.max_partition_fetch_bytes,
        ) as consumer:
            log = Backlog(kafka, worker, group, cluster, consumer, held)
            async with answering(kafka):
                parts = await log.parts(every)
            yield log, parts


def _live(group: str) -> FillError:
    return FillError(f"{groups.stop_first(group)} What was not committed is sent again.")
