"""Kafka's own log of commits: what each group had committed when, and how often it rebalanced.

The layout of its records: Apache Kafka, group-coordinator/src/main/resources/common/message,
OffsetCommitKey, OffsetCommitValue and GroupMetadataValue.
"""

import base64
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

COMMITS = "__consumer_offsets"

Place = tuple[str, int]
"""Topic and partition."""

_GROUP_METADATA = 2
# From this version on, texts have a length of variable size.
_COMPACT = 4
# Of the metadata: version, cluster, offset, epoch, sight, runs.
_PARTS = 6


@dataclass
class Commits:
    """One group's: when each offset was first committed, in unix seconds.

    `positions` are the last ones; `moved_back` says where a commit took one back.
    """

    covered: defaultdict[Place, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    positions: dict[Place, int] = field(default_factory=dict)
    moved_back: list[str] = field(default_factory=list)
    generations: set[int] = field(default_factory=set)

    def note(self, place: Place, at: float, offset: int, metadata: str) -> None:
        covered, before = self.covered[place], self.positions.get(place, 0)
        if offset < before:
            self.moved_back.append(f"{place[0]}-{place[1]}: from {before} back to {offset}")
        for first, end in ((before, offset), *_runs(offset, metadata)):
            for each in range(first, end):
                covered.setdefault(each, at)
        self.positions[place] = offset


def read_commits(log: Iterable[tuple[float, bytes | None, bytes]]) -> dict[str, Commits]:
    """Takes (unix seconds, key, value) in log order."""
    groups: defaultdict[str, Commits] = defaultdict(Commits)
    for at, key, value in log:
        if not key or not value:
            continue
        (version,) = struct.unpack_from(">h", key)
        group, place = _text(key, 2)
        if version == _GROUP_METADATA:
            _, start = _text(value, 2)
            (generation,) = struct.unpack_from(">i", value, start)
            groups[group].generations.add(generation)
        elif version < _GROUP_METADATA:
            topic, place = _text(key, place)
            (partition,) = struct.unpack_from(">i", key, place)
            offset, metadata = _commit(value)
            groups[group].note((topic, partition), at, offset, metadata)
    return dict(groups)


def _commit(value: bytes) -> tuple[int, str]:
    version, offset, _ = struct.unpack_from(">hqi", value)
    start = struct.calcsize(">hqi")
    if version < _COMPACT:
        return offset, _text(value, start)[0]
    length, start = _number(value, start)
    return offset, value[start : start + length - 1].decode()


def _text(data: bytes, start: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, start)
    end = start + 2 + length
    return data[start + 2 : end].decode(), end


def _number(data: bytes, start: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[start]
        start += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, start


def _runs(offset: int, metadata: str) -> Iterator[tuple[int, int]]:
    """What the product says has ended beyond the offset; docs/architecture/engine.md."""
    parts = metadata.split("|")
    if len(parts) != _PARTS:
        return  # of a group that is not about records
    body = base64.b64decode(parts[-1])
    at = end = 0
    while at < len(body):
        gap, at = _number(body, at)
        length, at = _number(body, at)
        first = (end or offset) + gap
        end = first + length
        yield first, end
