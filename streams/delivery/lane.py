"""A lane is a queue of records that must keep their order; it has one request in flight."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from models.record import Record
from streams import clocks
from streams.delivery.halving import Halving
from streams.delivery.sink import LaneKey
from streams.engine.partition import Partition
from streams.outcomes import Rejected

# Longer than any pause between two tries of a lane whose endpoint works.
_MAX_PAUSE_SECONDS = 60.0

Source: TypeAlias = ConsumerRecord


class Item(Struct, eq=False):
    """One record on its way: the bytes it came as, what they say, and where it must be ended.

    `record` is None when the bytes say nothing; `identity` is None when its producer gave none.
    Updates of the user before `barrier` go first; see update_barrier.py.
    """

    source: Source
    partition: Partition
    first_at_ms: int
    identity: bytes | None = None
    barrier: int = 0
    queued_at: float = 0.0
    user: str = ""
    record: Record | None = None
    attempts: int = 0
    # The same record, come again while this one was under way: they end together. None do of most.
    repeats: list[tuple[Partition, int]] | None = None

    def add_repeat(self, partition: Partition, offset: int) -> None:
        """Has the record end at another place too."""
        if self.repeats is None:
            self.repeats = []
        self.repeats.append((partition, offset))


class Lane:
    """The queue behind a lane key: its records in order, and since when they fail."""

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.closed = False
        self.failures = 0
        self._failing_seconds = 0.0
        self.failed_at = 0.0
        self._items: deque[Item] = deque()
        self._halving = Halving()

    def __len__(self) -> int:
        return len(self._items)

    def append(self, item: Item) -> None:
        self._items.append(item)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    @property
    def first(self) -> Item:
        return self._items[0]

    def head(self, most: int) -> Sequence[Record]:
        """The records that the next request may carry."""
        count = self._halving.max_size(most)
        return [item.record for item in islice(self._items, count) if item.record is not None]

    def record_attempt(self, size: int) -> None:
        for item in islice(self._items, size):
            item.attempts += 1

    def record_failure(self, *, counts: bool) -> float:
        """Notes a failure; returns for how many seconds this lane has failed while others passed.

        `counts` is False while nothing passes at all: then it is not this lane's fault.
        """
        now = clocks.monotonic()
        if self.failures and counts:
            # A lane that nobody tried in between did not fail in between.
            self._failing_seconds += min(now - self.failed_at, _MAX_PAUSE_SECONDS)
        self.failures += 1
        self.failed_at = now
        return self._failing_seconds

    def pop_delivered(self, size: int) -> list[Item]:
        """Takes off what was delivered."""
        self._mended()
        self._halving.record_success(size)
        return [self._items.popleft() for _ in range(size)]

    def record_refusal(self, size: int, why: Rejected) -> Item | None:
        """Takes off the one record that was refused alone; None when the batch is to be halved."""
        self._mended()
        if size == 1:
            return self._found()
        self._halving.record_refusal(size, why)
        return None

    def pop_culprit(self) -> tuple[Item, Rejected] | None:
        """Takes off the last of a refused batch of which all others passed, if that says enough."""
        why = self._halving.culprit()
        return None if why is None else (self._found(), why)

    def _found(self) -> Item:
        self._halving.end()
        return self._items.popleft()

    def _mended(self) -> None:
        self.failures = 0
        self._failing_seconds = 0.0
