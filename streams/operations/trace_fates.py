"""Tells the fates of records, by where they stand and who has passed them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.record import RawPosition, Shape
from streams import headers
from streams.dead_letters.reader import Found, Position
from streams.kafka.commit_metadata import Progress


class Place(NamedTuple):
    """A record's topic, partition and offset."""

    topic: str
    partition: int
    offset: int

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def position(self) -> Position:
        return Position(self.partition, self.offset)


class Traced(NamedTuple):
    """A record without anything of a person.

    `at_ms` is the time of its raw message; of what somebody else wrote, that of the record.
    """

    at: Place
    at_ms: int
    kind: str
    id: str
    raw: RawPosition | None
    redriven_for: str | None = None
    redriven_of: str | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts as they came: by time, and within one moment by raw position."""
        raw = self.raw
        of = (raw.topic, raw.partition, raw.offset, raw.index) if raw else ()
        return self.at_ms, of, self.at


class Group(NamedTuple):
    """A worker's consumer group: the topics it reads, and how far it has come in partitions.

    A partition without a committed offset is missing: nothing of it has ended.
    """

    worker: str
    reads: frozenset[str]
    stands: Mapping[TopicPartition, Progress]

    def has_ended(self, at: Place) -> bool:
        """Returns whether it is before the watermark, or among what ended beyond it."""
        progress = self.stands.get(at.tp)
        return progress is not None and (
            at.offset < progress.offset
            or any(first <= at.offset < end for first, end in progress.ended)
        )


class Letters:
    """Dead letters, in the order in which they were written, and by what they were made of."""

    def __init__(self, found: Iterable[Found] = ()) -> None:
        self.all = sorted(found, key=lambda each: (each.written_ms, each.at))
        self._of = {(each.failed_at, made_of(each)): each for each in self.all}

    def of(self, worker: str, at: Place) -> Found | None:
        """The last one that this worker made of what stands there."""
        return self._of.get((worker, at))


def made_of(found: Found) -> Place:
    letter = found.letter
    return Place(letter.topic, letter.partition, letter.offset)


def fate(record: Traced, group: Group, letters: Letters) -> str:
    """Returns a record's fate at a destination; `ended` is delivered or dropped."""
    if record.at.topic not in group.reads:
        return "not read"
    if record.redriven_for not in {None, group.worker}:
        return "not for it"
    if found := letters.of(group.worker, record.at):
        return f"dead letter {found.letter.reason} at {found.at}"
    return "ended" if group.has_ended(record.at) else "waiting"


class _Head(Shape):
    """The fields that all our records have, and that a foreign one may lack."""

    kind: str = ""
    id: str = ""
    raw: RawPosition | None = None
    received_at_ms: int | None = None


def traced(record: ConsumerRecord) -> Traced:
    try:
        head = _Head.model_validate_json(record.value or b"")
    except ValidationError:
        head = _Head()
    marks = headers.read(record.headers)
    return Traced(
        Place(record.topic, record.partition, record.offset),
        record.timestamp if head.received_at_ms is None else head.received_at_ms,
        head.kind,
        head.id,
        head.raw,
        marks.redriven_for,
        marks.redriven_of,
    )
