"""The log as memory: what ended in a partition before this worker took it over."""

import time
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.engine.partition import Partition
from streams.settings import KafkaSettings


class History:
    """Reads back the last horizon before the committed offsets."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def read(self, partitions: Sequence[Partition]) -> AsyncIterator[ConsumerRecord]:
        """Yields the records that have ended, in offset order within each partition.

        Bounded by the horizon's hours, and by its ids shared evenly between the partitions.
        """
        ends = {TopicPartition(*p.tp): _end(p) for p in partitions}
        ended = {TopicPartition(*p.tp): p.committed for p in partitions}
        consumer = AIOKafkaConsumer(**self._kafka.client_options(), enable_auto_commit=False)
        try:
            await consumer.start()  # the next rebalance may cancel it
            consumer.assign(list(ends))
            # An offset moved by hand may lie beyond the log's end.
            there = await consumer.end_offsets(list(ends))
            ends = {tp: min(end, there[tp]) for tp, end in ends.items()}
            starts = await self._starts(consumer, ends)
            left = {tp for tp, start in starts.items() if start < ends[tp]}
            for tp in set(ends) - left:
                consumer.pause(tp)
            for tp in left:
                consumer.seek(tp, starts[tp])
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                    progress = ended[tp]
                    for record in records:
                        if record.offset < progress.offset or any(
                            first <= record.offset < end for first, end in progress.ended
                        ):
                            yield record
                # The position moves over compacted records and transaction marks too.
                left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
        finally:
            await consumer.stop()

    async def _starts(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        since = int((time.time() - self._kafka.horizon_hours * 3600) * 1000)
        by_time = await consumer.offsets_for_times(dict.fromkeys(ends, since))
        share = self._kafka.horizon_ids // max(1, len(ends))
        return {
            tp: max(at.offset, end - share) if (at := by_time[tp]) is not None else end
            for tp, end in ends.items()
        }


def _end(partition: Partition) -> int:
    progress = partition.committed
    return progress.ended[-1][1] if progress.ended else progress.offset
