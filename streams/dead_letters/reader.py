"""Reads dead letters back from their topic, up to where it ended when reading began."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self

from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.dead_letter import DeadLetter
from streams.kafka.ranges import Range, Reader
from streams.settings import KafkaSettings
from streams.topics import DEAD_LETTERS

ROUTER = "router"


class Position(NamedTuple):
    """A record's partition and offset in its topic."""

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
    """Selects dead letters; what is None or empty leaves nothing out."""

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
    """The topic as it was when it was opened. `partitions` are those of every topic there is.

    What somebody else wrote there, and is no dead letter, is left out and counted.
    """

    def __init__(self, reader: Reader, there: Sequence[Range]) -> None:
        self.partitions = reader.partitions
        self.unreadable = 0
        self._reader = reader
        self._there = there

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """Raises UnansweredError when Kafka is away or has no such topic."""
        async with Reader.open(kafka) as reader:
            yield await cls.read_by(reader)

    @classmethod
    async def read_by(cls, reader: Reader) -> Self:
        """The topic as it is now, for who reads others too; raises as `open`."""
        return cls(reader, await reader.there(reader.every(DEAD_LETTERS)))

    async def chosen(self, choice: Choice) -> AsyncIterator[Found]:
        """Yields them partition by partition in the order in which they were written."""
        ranges = self._there
        if choice.since_ms is not None:
            ranges = await self._reader.since(ranges, choice.since_ms)
        for each in ranges:
            async for record in self._reader.records(each):
                found = self._read(record)
                if found is not None and choice.takes(found):
                    yield found

    async def at(self, position: Position) -> Found:
        """Raises NoDeadLetterError where there is none."""
        partition, offset = position
        if partition >= len(self._there) or offset >= self._there[partition].end:
            raise NoDeadLetterError(f"There is no dead letter {position} yet.")
        there = self._there[partition]
        if offset < there.start:
            raise NoDeadLetterError(f"Kafka has deleted dead letter {position}: it is too old.")
        async for record in self._reader.records(Range(there.tp, offset, offset + 1)):
            if found := self._read(record):
                return found
        raise NoDeadLetterError(f"What stands at {position} is no dead letter of ours.")

    def _read(self, record: ConsumerRecord) -> Found | None:
        try:
            letter = DeadLetter.model_validate_json(record.value or b"")
        except ValidationError:
            self.unreadable += 1
            return None
        return Found(Position(record.partition, record.offset), record.timestamp, letter)
