"""Reads back from the log what ended in a partition before this worker took it over."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from streams.engine.partition import Partition
from streams.kafka import batch_writer, clients, log_bounds, ranges
from streams.kafka.log_bounds import Bounds
from streams.kafka.ranges import Range
from streams.settings import KafkaSettings

Group: TypeAlias = Sequence[Partition]
Tell: TypeAlias = Callable[[Partition, ConsumerRecord], None]
Log: TypeAlias = Mapping[TopicPartition, Bounds]
Spans: TypeAlias = Sequence[tuple[Partition, Range]]


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
        each partition no more than the last `share` offsets. Of one that was added these begin
        where its users were before, whose records are told as if they stood before its beginning.
        """
        async with (
            clients.range_consumer(
                self._kafka, max_partition_fetch_bytes=self._kafka.max_partition_fetch_bytes
            ) as consumer,
            aclosing(log_bounds.learning(consumer, [*map(_places, groups)])) as learning,
        ):
            async for number, there in learning:
                group = groups[number]
                # What was before the beginning of an added one is told first.
                for spans in (_before(group, there, share), _within(group, there, share)):
                    of_tp = {span.tp: partition for partition, span in spans}
                    async for tp, records in ranges.read(
                        self._kafka, consumer, [span for _, span in spans], passes_over=True
                    ):
                        _tell(of_tp[tp], records, tell)
                yield group


def _places(group: Group) -> set[TopicPartition]:
    return {TopicPartition(*tp) for each in group for tp in (each.tp, *each.origins)}


def _within(group: Group, there: Log, share: int) -> Spans:
    """Returns of each partition the last `share` offsets before where it stands."""
    return [(each, _own(each, there, share)) for each in group]


def _before(group: Group, there: Log, share: int) -> Spans:
    """Returns, of where users of added partitions were, what is left of these ones' `share`."""
    spans = []
    for each in group:
        own = _own(each, there, share)
        left = share - max(0, own.end - own.start)
        for origin, end in each.origins.items():
            tp = TopicPartition(*origin)
            spans.append((each, _last(tp, there, end, left // len(each.origins))))
    return spans


def _own(partition: Partition, there: Log, most: int) -> Range:
    return _last(TopicPartition(*partition.tp), there, _end(partition), most)


def _last(tp: TopicPartition, there: Log, end: int, most: int) -> Range:
    """Returns the last `most` offsets that a log has before `end`.

    Retention may be faster than we are: then it is what is left.
    """
    whole = ranges.of_bounds(tp, there[tp])
    # An offset moved by hand may lie beyond the log's end.
    end = min(end, whole.end)
    return whole._replace(start=max(whole.start, end - most), end=end)


def _end(partition: Partition) -> int:
    progress = partition.committed
    return progress.ended[-1][1] if progress.ended else progress.offset


def _tell(partition: Partition, records: Sequence[ConsumerRecord], tell: Tell) -> None:
    partition.recalled += len(records)
    for record in records:
        if record.partition != partition.tp.partition:
            if _has_moved(partition, record):
                tell(partition, _as_moved(partition, record))
        elif _has_ended(partition, record.offset):
            tell(partition, record)


def _has_moved(partition: Partition, record: ConsumerRecord) -> bool:
    """Whether what is written of the same user now is in this partition."""
    return record.key is not None and (
        batch_writer.partition_of(record.key, partition.sight.partitions) == partition.tp.partition
    )


def _as_moved(partition: Partition, record: ConsumerRecord) -> ConsumerRecord:
    """Returns it as if it stood in this partition, before its beginning."""
    end = partition.origins[TP(record.topic, record.partition)]
    return replace(record, partition=partition.tp.partition, offset=record.offset - end)


def _has_ended(partition: Partition, offset: int) -> bool:
    progress = partition.committed
    return offset < progress.offset or any(first <= offset < end for first, end in progress.ended)
