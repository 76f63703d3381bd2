"""Compares a dead letter with what stands at the position that it names.

Who can write to the dead letters' topic, and to no other, could else have anything sent with the
rights of whoever redrives.
"""

from collections.abc import Callable
from enum import Enum, auto

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from models.dead_letter import DeadLetter
from streams import headers
from streams.dead_letters.writer import preserve_key
from streams.kafka.ranges import Range, Reader


class Comparison(Enum):
    """The result of a comparison."""

    SAME = auto()
    DIFFERENT = auto()
    GONE = auto()
    """Kafka has deleted what the letter names, or never had it."""


class Originals:
    """Reads what letters name; `kept` is what of a raw message the router keeps in its letters.

    The reader is not to be another's meanwhile.
    """

    def __init__(self, reader: Reader, kept: Callable[[bytes], bytes]) -> None:
        self._reader = reader
        self._kept = kept
        self._there: dict[TopicPartition, Range] = {}

    async def compare(self, letter: DeadLetter) -> Comparison:
        """Compares a letter whose topic has that partition; raises UnansweredError."""
        record = await self._record(TopicPartition(letter.topic, letter.partition), letter.offset)
        if record is None:
            return Comparison.GONE
        value = record.value or b""
        values = {value, self._kept(value)} if letter.stage == "router" else {value}
        is_same = letter.value in values and letter.key == preserve_key(record.key)
        return Comparison.SAME if is_same and _has_id(record, letter) else Comparison.DIFFERENT

    async def _record(self, tp: TopicPartition, offset: int) -> ConsumerRecord | None:
        if tp not in self._there:
            [self._there[tp]] = await self._reader.there([tp])
        there = self._there[tp]
        if there.start <= offset < there.end:
            async for record in self._reader.records(Range(tp, offset, offset + 1)):
                return record
        return None


def _has_id(record: ConsumerRecord, letter: DeadLetter) -> bool:
    """Returns whether it is sent again as the same record: sinks know records by their id."""
    id_ = dict(record.headers).get(headers.ID)
    return letter.record_id is None or id_ is None or id_ == letter.record_id.encode()
