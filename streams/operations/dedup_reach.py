"""Finds how far back each destination's workers still know what they have delivered."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self

from streams.kafka.ranges import Range, Reader
from streams.operations.trace_search import stands
from streams.topics import Topic

# Records and dead letters are written by different machines, whose clocks may differ.
_CLOCKS_DIFFER_MS = 60_000


class Reach(NamedTuple):
    """The reach of the workers' memory, as of one look at Kafka.

    `first` is the first offset that a worker would read back of a partition, were it to take over
    all there are; `since_ms` is a time before which some of what was written is forgotten, 0 where
    nothing is.
    """

    first: Mapping[tuple[str, str, int], int] = MappingProxyType({})
    since_ms: int = 0

    def knows(self, worker: str, topic: str, partition: int, offset: int) -> bool:
        """Returns whether a record's end is remembered by whoever would be sent it again."""
        return offset >= self.first.get((worker, topic, partition), 0)

    def knows_all_since(self, at_ms: int) -> bool:
        """Returns whether all is remembered that was written since then, to whatever partition."""
        return at_ms - _CLOCKS_DIFFER_MS >= self.since_ms

    @classmethod
    async def look(
        cls, reader: Reader, sinks: Mapping[str, Sequence[Topic]], remembered: int
    ) -> Self:
        """`sinks` are the topics that each destination reads, of which a worker has so many ids."""
        first: dict[tuple[str, str, int], int] = {}
        since_ms = 0
        for worker, topics in sinks.items():
            edges = await _edges(reader, worker, topics, remembered)
            first |= {(worker, *edge.tp): edge.start for edge in edges}
            for edge in edges:
                since_ms = max(since_ms, await _time_of(reader, edge))
        return cls(first, since_ms)


async def _edges(
    reader: Reader, worker: str, topics: Iterable[Topic], remembered: int
) -> Sequence[Range]:
    """Returns what of each partition a worker reads back that has all partitions."""
    known = [topic for topic in topics if reader.kafka.topic(topic.name) in reader.partitions]
    tps = [tp for topic in known for tp in reader.every(topic)]
    share = remembered // max(1, len(tps))
    group = await stands(reader, worker, topics, tps)
    edges = []
    for there in await reader.there(tps):
        ended = group.stands[there.tp].offset if there.tp in group.stands else there.start
        edges.append(there._replace(start=max(there.start, ended - share), end=ended))
    return edges


async def _time_of(reader: Reader, edge: Range) -> int:
    if not edge.start:
        return 0  # nothing stands before it
    async for record in reader.records(edge):
        return int(record.timestamp)
    return 0
