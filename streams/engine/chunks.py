"""A chunk is all that one fetch brought of one partition; an agent gets it as one event."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.structs import ConsumerRecord
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP, AppT, EventT, Message

from streams.engine.partition import Partition


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition in offset order, and the partition they must be ended at.

    `end` is the offset from which the next is fetched, `fetched_at` the event loop's time. Without
    records it tells that there are none before `end`: marks of transactions, what was aborted, or
    compacted.
    """

    partition: Partition
    records: Sequence[ConsumerRecord]
    end: int = 0
    fetched_at: float = 0.0

    @classmethod
    def of(cls, partition: Partition, records: Sequence[ConsumerRecord], end: int) -> "Chunk":
        """Keeps the records of a fetch that need work; the offset tracker gets all of them."""
        partition.arrivals.record(
            ((r.offset, r.timestamp) for r in records), partition.offsets.watermark
        )
        todo = partition.track([(r.offset, len(r.value or b"")) for r in records])
        partition.read += len(todo)
        partition.advance_to(end)
        if len(todo) < len(records):
            offsets = set(todo)
            records = [r for r in records if r.offset in offsets]
        return cls(
            partition,
            records,
            end=end,
            fetched_at=asyncio.get_running_loop().time(),
        )


class ChunkScheduler(DefaultSchedulingStrategy):
    """Hands on what was fetched as it came: one item a partition, in place of one a record."""

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
        yield from records.items()


class ChunkSchema(faust.Schema[Any, Any]):
    """Leaves the bytes alone: a record that does not parse is our agents' business.

    Faust acknowledges what it cannot decode before it says so.
    """

    def compile(self, app: AppT, **_: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001
            return create_event(None, message.value, None, message)

        return decode
