"""Ends records at a destination, each once: as delivered, dropped or dead-lettered."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from pydantic import ValidationError

from models.dead_letter import DeadLetter
from models.event import Event
from models.record import Record
from streams import clocks, metrics
from streams.dead_letters.writer import DeadLetters, preserve, preserve_key
from streams.delivery.lane import Item
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.update_barrier import UpdateBarrier
from streams.engine.partition import Partition
from streams.outcomes import Rejected

Refused = tuple[Item, Rejected]


class Completion:
    """Ends items, counts them, and remembers their ids."""

    def __init__(
        self,
        destination: str,
        dead_letters: DeadLetters,
        deduplication: Deduplication,
        barrier: UpdateBarrier,
    ) -> None:
        self._destination = destination
        self._dead_letters = dead_letters
        self._deduplication = deduplication
        self._barrier = barrier
        self.ended = asyncio.Event()
        """Set when records have ended, and whenever who waits for that must look around."""

    def end_delivered(self, items: Sequence[Item]) -> None:
        """Ends what one request has delivered."""
        now = clocks.wall_ms()
        ages = defaultdict[str, list[float]](list)
        for item in items:
            if (record := item.record) is not None:
                ages[_operation(record)].append(max(0, now - record.received_at_ms) / 1000)
        for operation, seconds in ages.items():
            of = (self._destination, operation)
            metrics.child(metrics.DELIVERIES, *of, "delivered").inc(len(seconds))
            metrics.child(metrics.RAW_TO_ACCEPTED_SECONDS, *of).observe_all(seconds)
        self._end(items)

    def end_dropped(self, item: Item, reason: str) -> None:
        metrics.RECORDS_DROPPED.labels(stage=self._destination, reason=reason).inc()
        self._end([item])

    async def end_rejected(self, refused: Sequence[Refused]) -> None:
        """Writes dead letters, then ends the items."""
        if refused:
            await self._dead_letters.write([self._letter(item, why) for item, why in refused])
            self._end([item for item, _ in refused])

    def _letter(self, item: Item, why: Rejected) -> DeadLetter:
        source = item.source
        return DeadLetter(
            stage="sink",
            destination=self._destination,
            reason=why.reason,
            detail=why.detail,
            topic=source.topic,
            partition=source.partition,
            offset=source.offset,
            record_id=item.record.id if item.record else None,
            attempts=item.attempts,
            first_at_ms=item.first_at_ms,
            last_at_ms=clocks.wall_ms(),
            key=preserve_key(source.key),
            **preserve(source.value or b""),
        )

    def _end(self, items: Sequence[Item]) -> None:
        """Also their repeats; of each partition all at once, because to tell of one costs most."""
        offsets = defaultdict[Partition, list[int]](list)
        ids = defaultdict[Partition, list[bytes]](list)
        for item in items:
            if item.identity is not None:
                ids[item.partition].append(item.identity)
            self._barrier.finish(item)
            offsets[item.partition].append(item.source.offset)
            for partition, offset in item.repeats or ():
                offsets[partition].append(offset)
        for partition, known in ids.items():
            self._deduplication.mark_ended(partition.tp, known)
        for partition, ended in offsets.items():
            partition.accounted += len(ended)
            partition.mark_ended(*ended)
        self.ended.set()


def mapping_error(error: Exception) -> Rejected:
    """A bug of ours in a pure mapping costs the record that shows it, not the flow."""
    return Rejected("mapping_error", type(error).__name__)


def invalid_record(error: ValidationError) -> Rejected:
    """Names the places that do not fit, never what stands there."""
    places = {".".join(map(str, each["loc"])) for each in error.errors(include_input=False)}
    return Rejected("invalid_record", ", ".join(sorted(places))[:500])


def _operation(record: Record) -> str:
    # An event's kind may be anything mParticle will ever send: not a label.
    return "event" if _is_event(type(record)) else record.kind


# Pydantic's classes say slowly of what is an instance of another that it is none of theirs.
@cache
def _is_event(model: type[Record]) -> bool:
    return issubclass(model, Event)
