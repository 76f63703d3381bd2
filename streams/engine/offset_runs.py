"""Holds a set of offsets as runs [from, to), each in the room of one offset."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class OffsetRuns:
    """A set of offsets, kept as runs that neither touch nor overlap, in order."""

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []
        for first, end in runs:
            self.add(first, end)

    def add(self, first: int, end: int) -> None:
        """Takes in a run; what it touches becomes one with it."""
        if first >= end:
            return
        # All that end at its beginning or later, and begin at its end or before.
        low = bisect_left(self._ends, first)
        high = bisect_right(self._firsts, end)
        if low < high:
            first = min(first, self._firsts[low])
            end = max(end, self._ends[high - 1])
        self._firsts[low:high] = [first]
        self._ends[low:high] = [end]

    def drop_before(self, offset: int) -> None:
        """Forgets the offsets before this one."""
        ended = bisect_right(self._ends, offset)
        del self._firsts[:ended], self._ends[:ended]
        if self._firsts and self._firsts[0] < offset:
            self._firsts[0] = offset

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self._firsts, offset) - 1
        return at >= 0 and offset < self._ends[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._firsts)
