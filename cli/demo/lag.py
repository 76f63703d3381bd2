"""Asks Kafka how far the groups are: only what was committed counts."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from streams.kafka import clients
from streams.settings import KafkaSettings


class Progress(NamedTuple):
    """Records that have ended, of those that are there."""

    ended: int
    there: int

    @property
    def done(self) -> bool:
        return self.ended >= self.there


class Lag:
    """Asks Kafka for end and committed offsets."""

    def __init__(
        self, kafka: KafkaSettings, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> None:
        self._kafka = kafka
        self._admin = admin
        self._consumer = consumer

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        async with clients.admin(kafka) as admin, clients.consumer(kafka) as consumer:
            yield cls(kafka, admin, consumer)

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """End offsets of all partitions; names without prefix."""
        names = {self._kafka.topic(topic) for topic in topics}
        described = await self._admin.describe_topics(list(names))
        partitions = [
            TopicPartition(each["topic"], p["partition"])
            for each in described
            for p in each["partitions"]
        ]
        return dict(await self._consumer.end_offsets(partitions))

    async def of(self, worker: str, topics: Iterable[str]) -> Progress:
        """The progress of a worker's group over its topics."""
        ends = await self.ends(topics)
        try:
            committed = await self._admin.list_consumer_group_offsets(self._kafka.group(worker))
        except GroupCoordinatorNotAvailableError:
            committed = {}  # the broker has only just come up
        ended = sum(committed[tp].offset for tp in ends if tp in committed)
        return Progress(ended, sum(ends.values()))
