"""Keeps compacted topics as tables: read whole at start, followed from then on, and written."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from streams.kafka import clients, log_bounds, ranges
from streams.kafka.buffered_records import Fetched, fetch
from streams.kafka.patient_producer import partition_count
from streams.kafka.unavailable import UNAVAILABLE
from streams.kafka.unreadable import AGAIN_SECONDS, PassingOver
from streams.settings import KafkaSettings
from streams.topics import Topic

log = structlog.get_logger()

_POLL_S = 1.0

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
        # Partition -> the offset up to which somebody waits for it.
        self._wanted: dict[int, int] = {}
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
        self._wanted[partition] = max(self._wanted.get(partition, 0), offset + 1)
        while self._next.get(partition, 0) <= offset:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> None:
        """Follows until cancelled; /ready names what it waits for and does not get."""
        with UNAVAILABLE.naming() as unavailable:
            async with clients.consumer(self._kafka, self._kafka.topic(self._topic.name)) as client:
                await self._follow(client, unavailable)

    async def _follow(
        self, consumer: AIOKafkaConsumer, unavailable: dict[TopicPartition, str]
    ) -> None:
        unasked, behind = set(consumer.assignment()), set[TopicPartition]()
        over = PassingOver(f"follow {self._topic.name}", "what was told there is not known here")
        refused: Mapping[TopicPartition, str] = {}
        came = False
        while True:
            if not came:
                there = await log_bounds.look(consumer, unasked | behind, unavailable)
                self._wanted |= {tp.partition: there[tp].readable for tp in unasked & there.keys()}
                unasked -= there.keys()
            unavailable |= refused
            behind = await self._behind(consumer)
            if not (unasked or behind):
                self._whole.set()
            fetched = await fetch(consumer, consumer.assignment(), _POLL_S)
            for tp, records in fetched.records.items():
                unavailable.pop(tp, None)
                for record in records:
                    self._tell(record)
                self._next[tp.partition] = records[-1].offset + 1
            came = bool(fetched.records)
            refused = await self._pass_over(consumer, fetched, over)
            self._moved.set()
            if refused:
                unavailable |= refused
                await asyncio.sleep(AGAIN_SECONDS)

    async def _pass_over(
        self, consumer: AIOKafkaConsumer, fetched: Fetched, over: PassingOver
    ) -> Mapping[TopicPartition, str]:
        """Returns what has to be asked again, and why."""
        if not fetched.errors:
            return {}
        bounds = await log_bounds.look(consumer, fetched.errors, {})
        again = over.pass_over(consumer, fetched, {tp: at.readable for tp, at in bounds.items()})
        for tp in fetched.errors.keys() - again.keys():
            # Whoever waits for a record there waits in vain.
            self._next[tp.partition] = await consumer.position(tp)
        return again

    async def _behind(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        """The partitions that somebody waits for and that have not been read so far."""
        return {
            tp
            for tp in consumer.assignment()
            if (until := self._wanted.get(tp.partition, 0))
            and not await ranges.has_come_to(consumer, tp, until)
        }


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
