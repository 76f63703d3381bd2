"""A partition as Kafka keeps it: batches of records, byte by byte as producers wrote them.

Layout of a batch and of a control batch: Apache Kafka, "Message format" (KIP-98).
"""

import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

ToWrite = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers."""

_HEADER = struct.Struct(">qiibIhiqqqhii")
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_CRC_AT = 17
# Of one producer to one partition, what Kafka remembers to know a batch that comes again.
_REMEMBERED = 5
_A_DAY_MS = 86_400_000

NO_ERROR, OUT_OF_RANGE, NOT_LEADER = 0, 1, 6
TOO_LARGE, INVALID_TIMESTAMP = 10, 32
OUT_OF_ORDER_SEQUENCE = 45


class Header(NamedTuple):
    """The fields of a batch before its records."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @classmethod
    def of(cls, batch: bytes) -> "Header":
        return cls(*_HEADER.unpack_from(batch))


class Batch(NamedTuple):
    """A batch where it stands; `end` is one after its last offset."""

    base: int
    end: int
    data: bytes
    max_timestamp: int
    is_control: bool


class Stored(NamedTuple):
    """A record, as the oracles read it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Ended(NamedTuple):
    """A transaction from its first record to the mark that ended it."""

    producer_id: int
    first: int
    marker: int
    is_aborted: bool


@dataclass
class Partition:
    """One partition's log; leaders come and go, and retention takes its beginning."""

    max_message_bytes: int = 1_048_588
    leader: int | None = 0
    """The broker that serves it; clients find another for a while in what they know of it."""
    known_leader: int | None = None
    start: int = 0
    end: int = 0
    is_closed: bool = False
    """Whether the story's traffic waits before it writes here."""
    disturbed: int = 0
    """How often a fault took records from here, or readers past them."""
    batches: list[Batch] = field(default_factory=list)
    _ended: list[Ended] = field(default_factory=list)
    # Producer -> the first offset of its transaction, while that is open.
    _open: dict[int, int] = field(default_factory=dict)
    # Producer -> the sequences of its last batches, and where they stand.
    _sequences: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known_leader = self.leader

    def led_by(self, broker: int | None) -> None:
        self.leader = self.known_leader = broker

    def append(self, batch: bytes, now_ms: int) -> tuple[int, int]:
        """Returns an error code and the offset of the batch's first record."""
        if len(batch) > self.max_message_bytes:
            return TOO_LARGE, -1
        batch = _on_simulated_time(batch, now_ms)
        header = Header.of(batch)
        # message.timestamp.after.max.ms, an hour by default.
        if header.max_timestamp > now_ms + 3_600_000:
            return INVALID_TIMESTAMP, -1
        if header.producer_id >= 0:
            known = self._sequences.setdefault(header.producer_id, [])
            for first, count, offset in known:
                if (first, count) == (header.base_sequence, header.records):
                    return NO_ERROR, offset
            if known and header.base_sequence != sum(known[-1][:2]):
                return OUT_OF_ORDER_SEQUENCE, -1
            known.append((header.base_sequence, header.records, self.end))
            del known[:-_REMEMBERED]
        return NO_ERROR, self._store(batch, header)

    def _store(self, batch: bytes, header: Header) -> int:
        base = self.end
        self.end = base + header.last_offset_delta + 1
        data = base.to_bytes(8, "big") + batch[8:]
        is_control = bool(header.attributes & _CONTROL)
        self.batches.append(Batch(base, self.end, data, header.max_timestamp, is_control))
        return base

    def readable(self, *, committed: bool) -> int:
        """Where a reader has to stop for now: one of committed records before what is open."""
        stable = min(self._open.values(), default=self.end) if committed else self.end
        return max(self.start, stable)

    def read(self, offset: int, most_bytes: int, *, committed: bool) -> tuple[int, bytes]:
        """Whole batches from the one that holds `offset` on; at least one where there is any."""
        if not self.start <= offset <= self.end:
            return OUT_OF_RANGE, b""
        found: list[bytes] = []
        size = 0
        readable = self.readable(committed=committed)
        for batch in self.batches[self._place(offset) :]:
            if batch.base >= readable:
                break
            if found and size + len(batch.data) > most_bytes:
                break
            found.append(batch.data)
            size += len(batch.data)
        return NO_ERROR, b"".join(found)

    def _place(self, offset: int) -> int:
        low, high = 0, len(self.batches)
        while low < high:
            middle = (low + high) // 2
            if self.batches[middle].end <= offset:
                low = middle + 1
            else:
                high = middle
        return low

    def aborted_since(self, offset: int) -> list[tuple[int, int]]:
        """Producers and first offsets of what was aborted and reaches so far."""
        return [(each.producer_id, each.first) for each in self._aborted if each.marker >= offset]

    @property
    def _aborted(self) -> Iterator[Ended]:
        return (each for each in self._ended if each.is_aborted)

    def offset_at(self, timestamp: int) -> tuple[int, int]:
        """Time and offset of the first record of that time or later; -1 for none."""
        for batch in self.batches:
            if batch.max_timestamp >= timestamp:
                for record in _records([batch]):
                    if record.timestamp >= timestamp and record.offset >= self.start:
                        return record.timestamp, record.offset
        return -1, -1

    def delete_before(self, offset: int) -> None:
        """As retention does."""
        self.start = max(self.start, min(offset, self.end))
        self.batches = [batch for batch in self.batches if batch.end > self.start]

    def corrupt(self, offset: int) -> None:
        """Turns a bit of the checksum of the batch that stands there, as a bad disk does."""
        if self.unreadable_at(offset) is None:
            place = self._place(offset)
            data = bytearray(self.batches[place].data)
            data[_CRC_AT] ^= 1
            self.batches[place] = self.batches[place]._replace(data=bytes(data))

    def unreadable_at(self, offset: int) -> Batch | None:
        """The batch that holds this offset, if its checksum is wrong."""
        for batch in self.batches[self._place(offset) :][:1]:
            if not MemoryRecords(batch.data).next_batch().validate_crc():
                return batch
        return None

    def cut_off(self, offset: int) -> list[int]:
        """As an unclean election does: records that were acknowledged are gone.

        Of producers Kafka knows again what is left of them in the log (ProducerStateManager,
        `truncateAndReload`). A transaction whose mark is gone is open, and whoever coordinates it
        has ended it long ago: it hangs until a person aborts it (KIP-664). Returns the producers of
        those.
        """
        self.batches = [batch for batch in self.batches if batch.end <= offset]
        end = self.end = max([self.start, *(batch.end for batch in self.batches)])
        left = {
            producer: [each for each in known if each[2] < end]
            for producer, known in self._sequences.items()
        }
        self._sequences = {producer: known for producer, known in left.items() if known}
        hanging = {each.producer_id: each.first for each in self._ended if each.marker >= end}
        self._ended = [each for each in self._ended if each.marker < end]
        unended = hanging | self._open
        self._open = {producer: first for producer, first in unended.items() if first < end}
        return [producer for producer in hanging if producer in self._open]

    def offsets_in_transaction(self, producer_id: int) -> list[int]:
        """What a producer has written since its open transaction began."""
        return [
            offset
            for batch in self.batches
            if batch.base >= self._open[producer_id]
            and Header.of(batch.data).producer_id == producer_id
            for offset in range(batch.base, batch.end)
        ]

    def records(self) -> Iterator[Stored]:
        """All that a reader of committed data sees."""
        aborted = {
            offset
            for each in self._aborted
            for batch in self.batches
            if each.first <= batch.base < each.marker
            and Header.of(batch.data).producer_id == each.producer_id
            for offset in range(batch.base, batch.end)
        }
        return (each for each in _records(self.batches) if each.offset not in aborted)

    @property
    def last_record(self) -> int:
        """The offset of the last record; markers may stand beyond it. Before the start for none."""
        ends = (each.end for each in self.batches if not each.is_control)
        return max(ends, default=self.start) - 1

    def write(
        self,
        records: Iterable[ToWrite],
        now_ms: int,
    ) -> int:
        """Writes one batch as a producer without a number would."""
        return self.append(_batch(records, now_ms, -1, transactional=False), now_ms)[1]

    def is_open(self, producer_id: int) -> bool:
        return producer_id in self._open

    def mark_transaction(self, producer_id: int, now_ms: int, *, aborts: bool) -> None:
        """Writes the marker that ends a producer's transaction, or takes it back."""
        first = self._open.pop(producer_id, self.end)
        self._ended.append(Ended(producer_id, first, self.end, aborts))
        builder = DefaultRecordBatchBuilder(2, 0, 1, producer_id, 0, -1, 1 << 20)
        kind = 0 if aborts else 1
        builder.append(0, now_ms, struct.pack(">hh", 0, kind), struct.pack(">hi", 0, 0), [])
        batch = bytearray(builder.build())
        attributes = struct.unpack_from(">h", batch, 21)[0] | _CONTROL
        struct.pack_into(">h", batch, 21, attributes)
        struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
        self._store(bytes(batch), Header.of(bytes(batch)))

    def write_in_transaction(
        self,
        records: Iterable[ToWrite],
        now_ms: int,
        producer_id: int,
    ) -> int:
        batch = _batch(records, now_ms, producer_id, transactional=True)
        self._open.setdefault(producer_id, self.end)
        return self._store(batch, Header.of(batch))


def _on_simulated_time(batch: bytes, now_ms: int) -> bytes:
    """The compiled part of aiokafka reads this machine's clock, which no simulation reaches."""
    header = Header.of(batch)
    if abs(header.max_timestamp - _machine_ms()) > _A_DAY_MS:
        return batch
    shifted = bytearray(batch)
    struct.pack_into(
        ">qq", shifted, 27, now_ms - (header.max_timestamp - header.first_timestamp), now_ms
    )
    struct.pack_into(">I", shifted, 17, calc_crc32c(bytes(shifted[21:])))
    return bytes(shifted)


def _machine_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000


def _batch(
    records: Iterable[ToWrite],
    now_ms: int,
    producer_id: int,
    *,
    transactional: bool,
) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer_id, 0, -1, 64 << 20)
    for place, (key, value, headers) in enumerate(records):
        assert builder.append(place, now_ms, key, value, headers) is not None
    return bytes(builder.build())


def _records(batches: Iterable[Batch]) -> Iterator[Stored]:
    for batch in batches:
        read = MemoryRecords(batch.data)
        while (found := read.next_batch()) is not None:
            if found.is_control_batch:
                continue
            for record in found:
                yield Stored(
                    record.offset, record.key, record.value, tuple(record.headers), record.timestamp
                )
