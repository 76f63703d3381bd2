"""A compacted topic in which a sink's workers keep what all of them must know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from aiokafka import AIOKafkaProducer

from streams.kafka.producing import partition_count, patient
from streams.kafka.tables import Followed, Tell
from streams.settings import KafkaSettings
from streams.topics import MAX_MESSAGE_BYTES, Topic


class Kept:
    """Followed, and written with what is written read back."""

    def __init__(self, topic: str, producer: AIOKafkaProducer, followed: Followed) -> None:
        """`topic` by its name on the cluster."""
        self._topic = topic
        self._producer = producer
        self._followed = followed

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings, topic: Topic, tell: Tell) -> AsyncIterator[Self]:
        """Has told all that is there when it is entered, and goes on telling."""
        followed = Followed(kafka, topic, tell)
        async with (
            patient(
                AIOKafkaProducer(
                    **kafka.client_options(),
                    acks="all",
                    enable_idempotence=True,
                    max_request_size=MAX_MESSAGE_BYTES,
                )
            ) as producer,
            asyncio.TaskGroup() as tasks,
        ):
            following = tasks.create_task(followed.run())
            await followed.whole()
            try:
                yield cls(kafka.topic(topic.name), producer, followed)
            finally:
                following.cancel()

    async def write(self, key: bytes, value: bytes) -> None:
        """Returns when it has been told; waits while Kafka is away."""
        await partition_count(self._producer, self._topic)
        at = await self._producer.send_and_wait(self._topic, value, key=key)
        await self._followed.told(at.partition, at.offset)
