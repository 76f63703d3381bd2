"""The state of one assigned partition: what is under way, and whether to fetch more."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from faust.types import TP

from streams.engine.offset_tracker import OffsetTracker
from streams.kafka.commit_metadata import Progress
from streams.settings import WorkerSettings


class Arrivals:
    """Remembers when records came, by the first offset of each second and not by every one."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def record(self, records: Iterable[tuple[int, int]], watermark: int) -> None:
        """Takes (offset, Kafka's timestamp in milliseconds) in fetch order."""
        self.at(watermark)
        last = self._seconds[-1][1] if self._seconds else None
        for offset, timestamp_ms in records:
            second = timestamp_ms // 1000
            if second != last:
                self._seconds.append((offset, second))
                last = second

    def at(self, watermark: int) -> float | None:
        """Returns when the record at the watermark came; forgets what came before it."""
        while len(self._seconds) > 1 and self._seconds[1][0] <= watermark:
            self._seconds.popleft()
        return float(self._seconds[0][1]) if self._seconds else None


@dataclass(frozen=True, slots=True)
class InFlightLimit:
    """The limit on what of one partition may be under way; it bounds a worker's memory.

    And how many offsets it may be `ahead` of its first record that has not ended, which bounds what
    is read again, and looked through, after a takeover.
    """

    records: int = 10_000
    size: int = 32 * 1024 * 1024
    runs: int = 1_000
    ahead: int = 1_000_000

    @classmethod
    def share(cls, worker: WorkerSettings, partitions: int) -> "InFlightLimit":
        """Returns what each of so many partitions may have of what a worker may have."""
        count = max(1, partitions)
        return cls(
            records=max(1, worker.max_in_flight_records // count),
            size=max(1, worker.max_in_flight_bytes // count),
            ahead=worker.max_uncommitted_offsets,
        )


class Partition:
    """Belongs to one assignment: after a rebalance there is a new one.

    Nothing is fetched before it has `started`. `closed` is set before anything is drained; who
    finds it set neither sends nor queues.
    """

    def __init__(
        self, tp: TP, start: Progress, limit: InFlightLimit, changed: Callable[["Partition"], None]
    ) -> None:
        self.tp = tp
        self.epoch = start.epoch
        self.offsets = OffsetTracker(start.offset, start.ended)
        self.committed = start
        self.sight = start.sight
        self._is_begun = start.is_begun
        self.origins: Mapping[TP, int] = {}
        """Where its users were before it was added, and the offset before which all of that has
        ended: its past too."""
        self.read_limit: int | None = None
        """The offset from which on it is not read until `lift_read_limit`; None: all is read."""
        self.started = False
        self.closed = False
        self._is_taken = False
        self.is_held = False
        """Assigned and not fetched: Kafka does not have what comes next or cannot tell, or it waits
        for others."""
        self.arrivals = Arrivals()
        self.bounds: tuple[int, int] | None = None
        """The first offset of the log and the one after its last, when Kafka was last asked."""
        self.recalled = 0
        """The number of records of its past that were read back before it started."""
        # Counted apart from the offsets, so that the two can be compared.
        self.read = 0
        self.accounted = 0
        self.admitted = 0
        """Of those that were read, how many have left the queue of chunks."""
        self._ended = 0
        self._limit = limit
        self._changed = changed

    def track(self, records: Iterable[tuple[int, int]]) -> list[int]:
        """Takes (offset, bytes) of fetched records; returns the offsets that need work."""
        todo = self.offsets.track(records)
        self._changed(self)
        return todo

    def advance_to(self, end: int) -> None:
        """Says that no record stands before this offset which was not fetched."""
        if end > self.offsets.position:
            self.offsets.advance_to(end)
            self._changed(self)

    def mark_ended(self, *offsets: int) -> None:
        """Ends records; also when the partition is closed, so that they can be committed."""
        self.offsets.mark_ended(*offsets)
        self._ended += len(offsets)
        self._changed(self)

    def start(self) -> None:
        """Has it fetched from now on: whoever works on its records is ready for them."""
        self.started = True
        self._changed(self)

    def lift_read_limit(self) -> None:
        """Has it read on from where it was not to."""
        if self.read_limit is not None:
            self.read_limit = None
            self._changed(self)

    def was_committed(self, progress: Progress) -> None:
        """Is told that Kafka has it."""
        self.committed = progress
        self._is_taken = True
        self._changed(self)

    @property
    def is_confirmed(self) -> bool:
        """Returns whether Kafka has `committed`; it need not have where a partition begins."""
        return self._is_taken or self.is_held

    def take_ended(self) -> int:
        """Returns how many records ended since it was last asked."""
        ended, self._ended = self._ended, 0
        return ended

    @property
    def oldest_at(self) -> float | None:
        """Returns when the oldest record under way came, in seconds; None when there is none."""
        return self.arrivals.at(self.offsets.watermark) if self.offsets.waiting else None

    @property
    def lag(self) -> int:
        """Returns how many offsets of the log, as far as it is known, have not ended."""
        known = self.bounds[1] if self.bounds else 0
        return max(known, self.offsets.position) - self.offsets.watermark

    @property
    def progress(self) -> Progress:
        """Returns the progress that may be committed now."""
        runs = tuple(self.offsets.runs())
        return Progress(self.offsets.watermark, runs, self.epoch, self.sight, self._is_begun)

    @property
    def is_full(self) -> bool:
        """Returns whether to fetch no more for now."""
        return self._above(1.0) or self._is_at_read_limit

    @property
    def has_room(self) -> bool:
        """Returns whether to fetch again: well below the limits, so that it does not flutter."""
        return not self._above(0.5) and not self._is_at_read_limit

    @property
    def _is_at_read_limit(self) -> bool:
        return self.read_limit is not None and self.offsets.position >= self.read_limit

    def _above(self, share: float) -> bool:
        # With nothing under way only a fetch can change anything.
        return self.offsets.waiting > 0 and (
            self.offsets.waiting >= self._limit.records * share
            or self.offsets.waiting_bytes >= self._limit.size * share
            or self.holes >= self._limit.runs * share
            or self.offsets.ahead >= self._limit.ahead * share
        )

    @property
    def holes(self) -> int:
        """Returns how many runs beyond the watermark had to be committed."""
        return len(self.committed.ended)
