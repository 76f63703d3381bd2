"""Reads dead letters back from their topic, up to where it ended when reading began."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.dead_letter import DeadLetter
from streams import topic_admin
from streams.answering import SECONDS, UnansweredError, answering, away, reading
from streams.settings import KafkaSettings
from streams.topics import DEAD_LETTERS

ROUTER = "router"
_LOOK_MS = 200


class Position(NamedTuple):
    """Where a dead letter stands in its topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


class Found(NamedTuple):
    """A dead letter, where it stands, and when it was written, in milliseconds."""

    at: Position
    written_ms: int
    letter: DeadLetter

    @property
    def failed_at(self) -> str:
        """The worker that failed: the router or a destination."""
        return self.letter.destination or ROUTER


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which dead letters are meant; what is None or empty leaves nothing out."""

    worker: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, found: Found) -> bool:
        return (
            self.worker in {None, found.failed_at}
            and self.reason in {None, found.letter.reason}
            and (self.since_ms is None or found.written_ms >= self.since_ms)
            and (self.until_ms is None or found.written_ms < self.until_ms)
        )


class NoDeadLetterError(Exception):
    """There is none at a position; the message is one sentence that says why."""


class DeadLetterLog:
    """The topic as it was when `open` returned. `partitions` are those of every topic there is.

    What somebody else wrote there, and is no dead letter, is left out and counted.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        consumer: AIOKafkaConsumer,
        partitions: Mapping[str, int],
        first: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> None:
        self.partitions = partitions
        self.unreadable = 0
        self._kafka = kafka
        self._consumer = consumer
        self._topic = kafka.topic(DEAD_LETTERS.name)
        self._first = first
        self._ends = ends

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """Raises UnansweredError when Kafka is away or has no such topic."""
        partitions = await _partitions(kafka)
        topic = kafka.topic(DEAD_LETTERS.name)
        if topic not in partitions:
            raise UnansweredError(
                f"There is no topic {topic} at {kafka.bootstrap_servers}: "
                "set KAFKA_PREFIX as the workers have it."
            )
        async with reading(kafka) as consumer:
            every = [TopicPartition(topic, number) for number in range(partitions[topic])]
            async with answering(kafka):
                first = await consumer.beginning_offsets(every)
                ends = await consumer.end_offsets(every)
            yield cls(kafka, consumer, partitions, first, ends)

    async def chosen(self, choice: Choice) -> AsyncIterator[Found]:
        """Yields them partition by partition in the order in which they were written."""
        async with answering(self._kafka):
            starts = await self._starts(choice.since_ms)
        for tp, end in self._ends.items():
            async for record in self._records(tp, starts[tp], end):
                found = self._read(record)
                if found is not None and choice.takes(found):
                    yield found

    async def at(self, position: Position) -> Found:
        """Raises NoDeadLetterError where there is none."""
        tp = TopicPartition(self._topic, position.partition)
        if position.offset >= self._ends.get(tp, 0):
            raise NoDeadLetterError(f"There is no dead letter {position} yet.")
        if position.offset < self._first[tp]:
            raise NoDeadLetterError(f"Kafka has deleted dead letter {position}: it is too old.")
        async for record in self._records(tp, position.offset, position.offset + 1):
            if found := self._read(record):
                return found
        raise NoDeadLetterError(f"What stands at {position} is no dead letter of ours.")

    async def _starts(self, since_ms: int | None) -> Mapping[TopicPartition, int]:
        if since_ms is None:
            return self._first
        found = await self._consumer.offsets_for_times(dict.fromkeys(self._ends, since_ms))
        return {tp: at.offset if (at := found[tp]) else end for tp, end in self._ends.items()}

    async def _records(
        self, tp: TopicPartition, start: int, end: int
    ) -> AsyncIterator[ConsumerRecord]:
        if start >= end:
            return
        self._consumer.assign([tp])
        self._consumer.seek(tp, start)
        answered = time.monotonic()
        while await self._consumer.position(tp) < end:
            records = (await self._consumer.getmany(timeout_ms=_LOOK_MS)).get(tp, [])
            for record in records:
                if record.offset < end:
                    yield record
            now = time.monotonic()
            if records:
                answered = now
            elif now > answered + SECONDS:
                raise away(self._kafka)

    def _read(self, record: ConsumerRecord) -> Found | None:
        try:
            letter = DeadLetter.model_validate_json(record.value or b"")
        except ValidationError:
            self.unreadable += 1
            return None
        return Found(Position(record.partition, record.offset), record.timestamp, letter)


async def _partitions(kafka: KafkaSettings) -> Mapping[str, int]:
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        async with answering(kafka):
            await admin.start()
            return await topic_admin.existing(admin)
    finally:
        await admin.close()
