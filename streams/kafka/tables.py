"""Keeps compacted topics as tables: read whole at start, followed from then on, and written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from streams.kafka import clients
from streams.kafka.patient_producer import partition_count
from streams.settings import KafkaSettings
from streams.topics import Topic

log = structlog.get_logger()

Tell = Callable[[ConsumerRecord], None]


def decode(topic: Topic, record: ConsumerRecord) -> Any:
    """Returns what a record of this topic says; None where it says nothing.

    That is a tombstone, or was written by somebody else: it is no delivery, and nothing is lost.
    """
    if record.value is None:
        return None
    try:
        return topic.holds.validate_json(record.value)
    except ValidationError as error:
        log.warning(
            "record_unreadable",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            errors=error.error_count(),
        )
        return None


class FollowedTable:
    """Tells of every record, without a group: every worker needs them all."""

    def __init__(self, kafka: KafkaSettings, topic: Topic, tell: Tell) -> None:
        self._kafka = kafka
        self._topic = topic
        self._tell = tell
        self._whole = asyncio.Event()
        self._next: dict[int, int] = {}
        self._moved = asyncio.Event()

    @classmethod
    def of_values(cls, kafka: KafkaSettings, topic: Topic, learn: Callable[[Any], None]) -> Self:
        """Tells what its records say, and leaves out those that say nothing."""

        def tell(record: ConsumerRecord) -> None:
            if (value := decode(topic, record)) is not None:
                learn(value)

        return cls(kafka, topic, tell)

    async def whole(self) -> None:
        """Waits until all that was there at start has been told."""
        await self._whole.wait()

    async def wait_for(self, partition: int, offset: int) -> None:
        """Waits until the record at this place has been told."""
        while self._next.get(partition, 0) <= offset:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> None:
        """Follows until cancelled."""
        async with clients.consumer(self._kafka, self._kafka.topic(self._topic.name)) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                if not self._whole.is_set() and all(
                    [await consumer.position(tp) >= end for tp, end in ends.items()]
                ):
                    self._whole.set()
                for tp, records in (await consumer.getmany(timeout_ms=1_000)).items():
                    for record in records:
                        self._tell(record)
                    self._next[tp.partition] = records[-1].offset + 1
                self._moved.set()


class Table:
    """A table of which this process has read all that it has written."""

    def __init__(self, topic: str, producer: AIOKafkaProducer, followed: FollowedTable) -> None:
        """`topic` by its name on the cluster."""
        self._topic = topic
        self._producer = producer
        self._followed = followed

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings, topic: Topic, tell: Tell) -> AsyncIterator[Self]:
        """Has told all that is there when it is entered, and goes on telling."""
        followed = FollowedTable(kafka, topic, tell)
        async with (
            clients.producer(kafka, waits=True) as producer,
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
        await self._followed.wait_for(at.partition, at.offset)
