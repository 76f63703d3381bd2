"""The log as memory: what ended in a partition before this worker took it over."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.engine.partition import Partition
from streams.settings import KafkaSettings

# A fetch that waits at the end of a partition holds up the next from its beginning.
_FETCH_WAIT_MS = 20
_LOOK_MS = 500
# What is told at once; others get a turn of the event loop after it.
_MOST_RECORDS = 1_000

Group: TypeAlias = Sequence[Partition]
Tell: TypeAlias = Callable[[Partition, ConsumerRecord], None]


class _Span(NamedTuple):
    """What of a partition's log is read back: from `start` to before `end`."""

    partition: Partition
    start: int
    end: int


class History:
    """Reads back what stands before the committed offsets.

    By position and by count, whatever the time: a worker that was away for a week knows as much as
    one that was away for a minute. Records come whole: Kafka's protocol knows no fetch of headers
    alone.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def read(
        self, groups: Sequence[Group], share: int, tell: Tell
    ) -> AsyncGenerator[Group, None]:
        """Yields each group when all that has ended in its partitions has been told.

        One group after the other, and in offset order within each partition; of each partition no
        more than the last `share` offsets.
        """
        consumer = AIOKafkaConsumer(
            **self._kafka.consumer_options(),
            enable_auto_commit=False,
            # Where retention is faster than we are: what is left is read, and not the end of it.
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=self._kafka.fetch_max_bytes,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        try:
            await consumer.start()  # the next rebalance may cancel it
            spans = await self._spans(consumer, [each for group in groups for each in group], share)
            for group in groups:
                await _read(consumer, [spans[each] for each in group], tell)
                yield group
        finally:
            await consumer.stop()

    async def _spans(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[Partition], share: int
    ) -> Mapping[Partition, _Span]:
        at = {each: TopicPartition(*each.tp) for each in partitions}
        first = await consumer.beginning_offsets(list(at.values()))
        # An offset moved by hand may lie beyond the log's end.
        there = await consumer.end_offsets(list(at.values()))
        spans = {}
        for each, tp in at.items():
            end = min(_end(each), there[tp])
            spans[each] = _Span(each, max(first[tp], end - share), end)
        return spans


def _end(partition: Partition) -> int:
    progress = partition.committed
    return progress.ended[-1][1] if progress.ended else progress.offset


async def _read(consumer: AIOKafkaConsumer, spans: Sequence[_Span], tell: Tell) -> None:
    left = {TopicPartition(*s.partition.tp): s for s in spans if s.start < s.end}
    consumer.assign(list(left))
    for tp, span in left.items():
        consumer.seek(tp, span.start)
    while left:
        some = await consumer.getmany(*left, timeout_ms=_LOOK_MS, max_records=_MOST_RECORDS)
        for tp, records in some.items():
            partition = left[tp].partition
            partition.recalled += len(records)
            for record in records:
                if _has_ended(partition, record.offset):
                    tell(partition, record)
        # The position moves over compacted records and transaction marks too.
        left = {tp: span for tp, span in left.items() if await consumer.position(tp) < span.end}


def _has_ended(partition: Partition, offset: int) -> bool:
    progress = partition.committed
    return offset < progress.offset or any(first <= offset < end for first, end in progress.ended)
