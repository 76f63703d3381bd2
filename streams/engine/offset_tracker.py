"""Tracks which offsets of a partition have ended, and which may be committed."""

from collections import deque
from collections.abc import Iterable, Iterator

from streams.engine.offset_runs import OffsetRuns


def _runs(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs [from, to) that offsets make in the order in which they come."""
    first = end = 0
    for offset in offsets:
        if offset != end:
            if first < end:
                yield first, end
            first = offset
        end = offset + 1
    if first < end:
        yield first, end


class OffsetTracker:
    """Follows the records of one partition from fetch to end.

    The watermark is the first offset that has not ended: everything before it has, so it may be
    committed. What ended beyond it is kept as runs, to be written beside the commit; offsets at
    which no record stands, in between, count as ended.
    """

    def __init__(self, start: int, ended: Iterable[tuple[int, int]] = ()) -> None:
        """Starts at the committed offset; `ended` are the runs [from, to) that ended beyond it."""
        self.position = start
        self._waiting: dict[int, int] = {}
        # In order of arrival. A dict would search for its first entry among all that are gone.
        self._order = deque[int]()
        self._bytes = 0
        self._ended = OffsetRuns(ended)

    def track(self, records: Iterable[tuple[int, int]]) -> list[int]:
        """Takes (offset, size in bytes) in fetch order; returns the offsets that still need work.

        Offsets that the log no longer has (compaction, transaction marks) are simply not named.
        """
        todo = []
        # Beyond what is fetched nothing ends: of most fetches, nothing has.
        some_ended = bool(self._ended)
        for offset, size in records:
            if offset < self.position:
                raise ValueError(f"offset {offset} was fetched before position {self.position}")
            if offset > self.position:
                self._ended.add(self.position, offset)
                some_ended = True
            self.position = offset + 1
            if not some_ended or offset not in self._ended:
                self._waiting[offset] = size
                self._order.append(offset)
                self._bytes += size
                todo.append(offset)
        return todo

    def advance_to(self, end: int) -> None:
        """Says that no record stands between the position and this offset."""
        self._ended.add(self.position, end)
        self.position = max(self.position, end)

    def mark_ended(self, *offsets: int) -> None:
        """Says that the records' work is over: delivered, dead-lettered or dropped."""
        self._bytes -= sum(map(self._waiting.pop, offsets))
        for first, end in _runs(offsets):
            self._ended.add(first, end)
        self._ended.drop_before(self.watermark)

    @property
    def waiting(self) -> int:
        """Returns how many fetched records have not ended."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    @property
    def watermark(self) -> int:
        """The offset to commit: all before it has ended."""
        while self._order and self._order[0] not in self._waiting:
            self._order.popleft()
        return self._order[0] if self._order else self.position

    @property
    def ahead(self) -> int:
        """Returns how many offsets beyond the watermark have been fetched."""
        return self.position - self.watermark

    def runs(self) -> list[tuple[int, int]]:
        """The runs [from, to) that ended beyond the watermark, in order."""
        self._ended.drop_before(self.watermark)
        return list(self._ended)
