"""Reads back from the log what ended in a partition before this worker took it over."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.engine.partition import Partition
from streams.kafka import clients, ranges
from streams.kafka.ranges import Range
from streams.settings import KafkaSettings

Group: TypeAlias = Sequence[Partition]
Tell: TypeAlias = Callable[[Partition, ConsumerRecord], None]


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
        of_tp = {TopicPartition(*each.tp): each for group in groups for each in group}
        async with clients.range_consumer(
            self._kafka, max_partition_fetch_bytes=self._kafka.max_partition_fetch_bytes
        ) as consumer:
            # Retention may be faster than we are: then what is left is read.
            there = {each.tp: each for each in await ranges.whole(consumer, of_tp)}
            for group in groups:
                spans = [_span(each, there[TopicPartition(*each.tp)], share) for each in group]
                async for tp, records in ranges.read(self._kafka, consumer, spans):
                    _tell(of_tp[tp], records, tell)
                yield group


def _span(partition: Partition, there: Range, share: int) -> Range:
    """Returns the last `share` offsets that the log has before where the partition stands."""
    # An offset moved by hand may lie beyond the log's end.
    end = min(_end(partition), there.end)
    return there._replace(start=max(there.start, end - share), end=end)


def _end(partition: Partition) -> int:
    progress = partition.committed
    return progress.ended[-1][1] if progress.ended else progress.offset


def _tell(partition: Partition, records: Sequence[ConsumerRecord], tell: Tell) -> None:
    partition.recalled += len(records)
    for record in records:
        if _has_ended(partition, record.offset):
            tell(partition, record)


def _has_ended(partition: Partition, offset: int) -> bool:
    progress = partition.committed
    return offset < progress.offset or any(first <= offset < end for first, end in progress.ended)
