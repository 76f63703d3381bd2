"""Reads back from the log what ended in a partition before this worker took it over."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.engine.partition import Partition
from streams.kafka import clients, log_bounds, ranges
from streams.kafka.log_bounds import Bounds
from streams.kafka.ranges import Range
from streams.kafka.unavailable import UNAVAILABLE
from streams.settings import KafkaSettings

_AGAIN_SECONDS = 1.0

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

        One group after the other, as they answer, and in offset order within each partition; of
        each partition no more than the last `share` offsets.
        """
        of_tp = {TopicPartition(*each.tp): each for group in groups for each in group}
        async with (
            clients.range_consumer(
                self._kafka, max_partition_fetch_bytes=self._kafka.max_partition_fetch_bytes
            ) as consumer,
            aclosing(_answering(consumer, groups)) as answering,
        ):
            async for group, there in answering:
                # Retention may be faster than we are: then what is left is read.
                spans = [_span(each, there[TopicPartition(*each.tp)], share) for each in group]
                async for tp, records in ranges.read(
                    self._kafka, consumer, spans, passes_over=True
                ):
                    _tell(of_tp[tp], records, tell)
                yield group


async def _answering(
    consumer: AIOKafkaConsumer, groups: Sequence[Group]
) -> AsyncGenerator[tuple[Group, Mapping[TopicPartition, Bounds]], None]:
    """Yields each group once all its partitions answer: one without a leader holds up no other."""
    left = list(groups)
    with UNAVAILABLE.naming() as unavailable:
        while left:
            asked = [TopicPartition(*each.tp) for group in left for each in group]
            there = await log_bounds.look(consumer, asked, unavailable)
            able = [group for group in left if all(each.tp in there for each in group)]
            left = [group for group in left if group not in able]
            for group in able:
                yield group, there
            if left:
                await asyncio.sleep(_AGAIN_SECONDS)


def _span(partition: Partition, bounds: Bounds, share: int) -> Range:
    """Returns the last `share` offsets that the log has before where the partition stands."""
    there = ranges.of_bounds(TopicPartition(*partition.tp), bounds)
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
