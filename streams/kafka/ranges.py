"""Reads stretches of topics, as far as these went when they were asked for; joins no group."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from streams import clocks
from streams.kafka import topic_admin
from streams.kafka.clients import SECONDS, UnansweredError, answering, reading, unanswered
from streams.settings import KafkaSettings
from streams.topics import Topic

_LOOK_MS = 200


class Stretch(NamedTuple):
    """What is read of a partition: from `start` to before `end`."""

    tp: TopicPartition
    start: int
    end: int


class Reader:
    """Knows of every topic how many `partitions` it has, and the id of the `cluster`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        consumer: AIOKafkaConsumer,
        cluster: str,
        partitions: Mapping[str, int],
    ) -> None:
        self.kafka = kafka
        self.cluster = cluster
        self.partitions = partitions
        self._consumer = consumer

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """Raises UnansweredError when Kafka is away."""
        cluster, partitions = await _look(kafka)
        async with reading(kafka) as consumer:
            yield cls(kafka, consumer, cluster, partitions)

    def count(self, topic: Topic) -> int:
        """How many partitions it has; raises UnansweredError when there is no such topic."""
        name = self.kafka.topic(topic.name)
        if name not in self.partitions:
            raise UnansweredError(
                f"There is no topic {name} at {self.kafka.bootstrap_servers}: "
                "set KAFKA_PREFIX as the workers have it."
            )
        return self.partitions[name]

    def every(self, topic: Topic) -> list[TopicPartition]:
        """Its partitions, by their numbers; raises as `count`."""
        name = self.kafka.topic(topic.name)
        return [TopicPartition(name, number) for number in range(self.count(topic))]

    async def there(self, tps: Iterable[TopicPartition]) -> Sequence[Stretch]:
        """All that Kafka has now of these partitions, which must be there."""
        every = list(tps)
        async with answering(self.kafka):
            first = await self._consumer.beginning_offsets(every)
            ends = await self._consumer.end_offsets(every)
        return [Stretch(tp, first[tp], ends[tp]) for tp in every]

    async def since(self, stretches: Sequence[Stretch], at_ms: int) -> Sequence[Stretch]:
        """Of each what begins with the first record of that time or later."""
        at = await self._at(stretches, at_ms)
        return [each._replace(start=max(each.start, at[each.tp])) for each in stretches]

    async def before(self, stretches: Sequence[Stretch], at_ms: int) -> Sequence[Stretch]:
        """Of each what ends before the first record of that time or later."""
        at = await self._at(stretches, at_ms)
        return [each._replace(end=at[each.tp]) for each in stretches]

    async def records(self, stretch: Stretch) -> AsyncIterator[ConsumerRecord]:
        """Yields them in order; raises UnansweredError when Kafka falls silent."""
        tp, start, end = stretch
        if start >= end:
            return
        self._consumer.assign([tp])
        self._consumer.seek(tp, start)
        answered = clocks.monotonic()
        while await self._consumer.position(tp) < end:
            records = (await self._consumer.getmany(timeout_ms=_LOOK_MS)).get(tp, [])
            for record in records:
                if record.offset < end:
                    yield record
            now = clocks.monotonic()
            if records:
                answered = now
            elif now > answered + SECONDS:
                raise await unanswered(self.kafka)

    async def _at(self, stretches: Sequence[Stretch], at_ms: int) -> Mapping[TopicPartition, int]:
        if not stretches:
            return {}
        asked = {each.tp: max(0, at_ms) for each in stretches}
        async with answering(self.kafka):
            found = await self._consumer.offsets_for_times(asked)
        return {
            each.tp: min(each.end, at.offset) if (at := found[each.tp]) else each.end
            for each in stretches
        }


async def _look(kafka: KafkaSettings) -> tuple[str, Mapping[str, int]]:
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        async with answering(kafka):
            await admin.start()
            return (await admin.describe_cluster())["cluster_id"], await topic_admin.existing(admin)
    finally:
        await admin.close()
