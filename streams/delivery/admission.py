"""Admits the records of a chunk: drops repeats, parses, and places each in its lane."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from models.record import Record
from streams import clocks, headers, metrics
from streams.dead_letters.writer import FloodGuard
from streams.delivery.completion import Refused, invalid_record, mapping_error
from streams.delivery.components import Components
from streams.delivery.lane import Item, Lane, Source
from streams.delivery.sink import LaneKey, placement
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.headers import Marks
from streams.outcomes import Blocked, Dropped, Rejected


class _Now(NamedTuple):
    """The time at which a turn admits what it does: the wall clock's, and the event loop's."""

    wall_ms: int
    loop_s: float


class Queues(Protocol):
    """The lanes as admission sees them: it queues records there, and may hold them."""

    @property
    def is_held(self) -> bool:
        """Returns whether to let nothing more in."""

    def hold(self, why: Blocked | None) -> None:
        """Lets nothing more in; None changes nothing."""

    def queue(self, key: LaneKey, item: Item) -> Lane:
        """Puts an item at the end of its lane, which it returns."""


class Admission:
    """Lets records in, one chunk of each partition at a time."""

    def __init__(self, components: Components, queues: Queues, guard: FloodGuard) -> None:
        self._outlet = components.outlet
        self._sink = components.outlet.sink
        self._topics = components.topics
        self._readers = components.readers
        self._completion = components.completion
        self._deduplication = components.deduplication
        self._staleness = components.staleness
        self._barrier = components.barrier
        self._queues = queues
        self._guard = guard
        self._turn = asyncio.Lock()

    async def admit(self, chunk: Chunk) -> None:
        """Queues a chunk's records; what can never be sent becomes a dead letter here."""
        partition, records = chunk.partition, chunk.records
        barrier = 0
        if records:
            barrier = await self._barrier.wait_for_updates(partition.tp, chunk.fetched_at)
        refused: list[Refused] = []
        size = self._sink.admitted_in_a_turn
        for first in range(0, len(records), size):
            if self._is_full(partition):
                # Else these would be waited for, which end after all others.
                await self._completion.end_rejected(refused)
                refused.clear()
                await self._wait_for_room(partition)
            async with self._turn:
                await asyncio.sleep(0)
            if partition.closed:
                return
            if self._queues.is_held:
                break
            together = records[first : first + size]
            partition.admitted += len(together)
            refused += self._admit_together(partition, together, barrier)
        self._barrier.advance(partition.tp, chunk.end)
        if refused:
            await self._completion.end_rejected(refused)

    def _is_full(self, partition: Partition) -> bool:
        return partition.admitted - partition.accounted >= self._sink.admitted_ahead

    async def _wait_for_room(self, partition: Partition) -> None:
        while self._is_full(partition) and not partition.closed:
            self._completion.ended.clear()
            await self._completion.ended.wait()

    def wake(self) -> None:
        """Has those look again that wait for room: their partitions may be closed."""
        self._completion.ended.set()

    def _admit_together(
        self, partition: Partition, sources: Sequence[Source], barrier: int
    ) -> Sequence[Refused]:
        # Parsed before the first is placed: each of the two is faster with nothing in between.
        read = self._readers[partition.tp.topic]
        parsed = [_parse(read, source) for source in sources]
        now = _Now(clocks.wall_ms(), asyncio.get_running_loop().time())
        refused: list[Refused] = []
        queued = 0
        for source, record in zip(sources, parsed, strict=True):
            marks = headers.read(source.headers)
            item = self._new_item(partition, source, marks, barrier, now)
            if item is None:
                continue
            placed = self._place(item, marks, record)
            if isinstance(placed, LaneKey):
                self._barrier.track(item, self._queues.queue(placed, item))
                queued += not item.is_redriven
            elif isinstance(placed, Dropped):
                self._completion.end_dropped(item, placed.reason)
            elif isinstance(placed, Blocked):
                # It stays uncommitted: a worker of a newer version will read it again.
                self._queues.hold(placed)
                break
            else:
                refused.append((item, placed))
                if placed.blames != "account" and not item.is_redriven:
                    self._guard.count_passed(queued)
                    queued = 0
                    self._queues.hold(self._guard.count(placed.reason))
                if self._queues.is_held:
                    break
        self._guard.count_passed(queued)
        return refused

    def _new_item(
        self, partition: Partition, source: Source, marks: Marks, barrier: int, now: _Now
    ) -> Item | None:
        """None where it is not sent: it is for another destination, or has come before."""
        if not marks.is_for(self._outlet.name):
            self._completion.end_dropped(Item(source, partition, now.wall_ms), "redriven_elsewhere")
            return None
        identity = marks.identity
        if identity is not None and self._repeats(identity, partition, source):
            return None
        item = Item(source, partition, now.wall_ms, identity, barrier, now.loop_s)
        item.is_redriven = marks.redriven_of is not None
        if identity is not None:
            self._deduplication.mark_started(identity, item)
        return item

    def _repeats(self, identity: bytes, partition: Partition, source: Source) -> bool:
        if self._deduplication.has_ended(partition.tp, identity):
            partition.accounted += 1
            partition.mark_ended(source.offset)
        elif (original := self._deduplication.under_way(identity)) is not None:
            original.add_repeat(partition, source.offset)
        else:
            return False
        metrics.DEDUPLICATED.labels(topic=self._topics[source.topic].name).inc()
        return True

    def _place(
        self, item: Item, marks: Marks, record: Record | ValidationError
    ) -> LaneKey | Dropped | Rejected | Blocked:
        source = item.source
        if isinstance(record, ValidationError):
            return _unknown_kind(record, source, marks) or invalid_record(record)
        item.record = record
        at = placement(record, source.key, source.partition)
        item.user = at.user
        if record.superseded_by == "event time" and self._is_stale(item, record, marks):
            return Dropped("stale")
        updates, tp = self._staleness.updates, item.partition.tp
        updates.see(tp, item.user, marks, source.offset)
        if record.superseded_by == "raw position" and updates.is_overtaken(
            tp, item.user, marks, source.offset
        ):
            return Dropped("overtaken")
        try:
            return self._sink.place(record, at, item.first_at_ms)
        except Exception as error:  # noqa: BLE001 - see mapping_error
            return mapping_error(error)

    def _is_stale(self, item: Item, record: Record, marks: Marks) -> bool:
        tp, offset = item.partition.tp, item.source.offset
        if marks.redriven_for is not None:
            return self._staleness.is_overtaken(tp, record, item.user)
        return self._staleness.is_stale(tp, record, item.user, marks.epoch, offset)


def _parse(read: Callable[[bytes], Record], source: Source) -> Record | ValidationError:
    try:
        return read(source.value or b"")
    except ValidationError as error:
        return error


def _unknown_kind(error: ValidationError, source: Source, marks: Marks) -> Blocked | None:
    """A record of a kind that a newer router writes is no bad record: it must wait for us.

    Only a router's: what somebody else writes without its header is a bad record.
    """
    if marks.kind is None:
        return None
    if error.errors(include_url=False, include_input=False)[0]["type"] != "union_tag_invalid":
        return None
    return Blocked(
        "unknown_kind",
        f"Offset {source.offset} of {source.topic}, partition {source.partition}, is of a kind "
        "that this worker does not know: upgrade it (sinks before the router).",
    )
