"""Which offsets of a partition have ended, and what of that may be committed."""

from collections.abc import Iterable, Iterator


class Offsets:
    """Follows the records of one partition from fetch to end.

    The watermark is the first offset that has not ended: everything before it has, so it may be
    committed. What ended beyond it is kept as runs, to be written beside the commit.
    """

    def __init__(self, start: int, ended: Iterable[tuple[int, int]] = ()) -> None:
        """Starts at the committed offset; `ended` are the runs [from, to) that ended beyond it."""
        self.position = start
        self._waiting: dict[int, int] = {}
        self._bytes = 0
        self._ended = {offset for first, end in ended for offset in range(first, end)}

    def fetched(self, records: Iterable[tuple[int, int]]) -> list[int]:
        """Takes (offset, size in bytes) in fetch order; returns the offsets that still need work.

        Offsets that the log no longer has (compaction, transaction marks) are simply not named.
        """
        todo = []
        for offset, size in records:
            if offset < self.position:
                raise ValueError(f"offset {offset} was fetched before position {self.position}")
            self.position = offset + 1
            if offset not in self._ended:
                self._waiting[offset] = size
                self._bytes += size
                todo.append(offset)
        return todo

    def ended(self, *offsets: int) -> None:
        """Says that the records' work is over: delivered, dead-lettered or dropped."""
        for offset in offsets:
            self._bytes -= self._waiting.pop(offset)
        self._ended.update(offsets)

    @property
    def waiting(self) -> int:
        """How many fetched records have not ended."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    @property
    def watermark(self) -> int:
        """The offset to commit: all before it has ended."""
        return next(iter(self._waiting), self.position)

    def runs(self) -> list[tuple[int, int]]:
        """The runs [from, to) that ended beyond the watermark, in order."""
        watermark = self.watermark
        # Forgetting happens here, where the set is walked anyway, and not at every end.
        self._ended = {offset for offset in self._ended if offset >= watermark}
        return list(_runs(sorted(self._ended)))


def _runs(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = end = None
    for offset in offsets:
        if offset != end:
            if first is not None and end is not None:
                yield first, end
            first = offset
        end = offset + 1
    if first is not None and end is not None:
        yield first, end
