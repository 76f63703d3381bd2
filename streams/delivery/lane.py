"""A lane is a queue of records that must keep their order; it has one request in flight."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from models.record import Record
from streams import clocks
from streams.delivery.halving import Halving
from streams.delivery.sink import Batch, LaneKey
from streams.engine.partition import Partition

# Longer than any pause between two tries of a lane whose endpoint works.
_MAX_PAUSE_SECONDS = 60.0

Source: TypeAlias = ConsumerRecord


class Item(Struct, eq=False):
    """One record on its way: the bytes it came as, what they say, and where it must be ended.

    `record` is None when the bytes say nothing; `identity` is None when its producer gave none.
    Updates of the user before `barrier` go first; see update_barrier.py. What `is_redriven` was
    sent again by a person, and says nothing of a deploy or a setting.
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
    is_redriven: bool = False
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
        self.failing_s = 0.0
        """For how many seconds it has failed by itself."""
        self._failed_at = 0.0
        self._failed_where = ""
        self.sent_at = 0.0
        """When its last request was sent."""
        self.turn_at: float | None = None
        """When it had a turn in which it failed or could not go, or that is still on; None while it
        waits for its turn alone. The event loop's time."""
        self.next: Batch[Any] | None = None
        """The request that is to be sent next, where one that it follows from has passed."""
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

    @property
    def is_suspect(self) -> bool:
        """Returns whether the next records are of a batch that was refused or given up."""
        return self._halving.is_on

    def head(self, most: int) -> Sequence[Record]:
        """The records that the next request may carry."""
        count = self._halving.max_size(most)
        return [item.record for item in islice(self._items, count) if item.record is not None]

    def record_attempt(self, size: int) -> None:
        for item in islice(self._items, size):
            item.attempts += 1

    def record_failure(self, endpoint: str, others_sent_at: float) -> bool:
        """Notes a failure; returns whether the lane fails by itself, and not the endpoint.

        It does where it had failed there before, and something was sent there since and has passed:
        `others_sent_at` is when the last that passed was sent. Where nothing was, or it fails for
        the first time, nobody can tell.
        """
        now = clocks.monotonic()
        is_again = self.failures > 0 and self._failed_where == endpoint
        fails_by_itself = is_again and others_sent_at > self._failed_at
        if fails_by_itself:
            # A lane that nobody tried in between did not fail in between.
            self.failing_s += min(now - self._failed_at, _MAX_PAUSE_SECONDS)
        self.failures += 1
        self._failed_at, self._failed_where = now, endpoint
        return fails_by_itself

    def pop_delivered(self, size: int) -> list[Item]:
        """Takes off what was delivered."""
        self._mended()
        self._halving.record_success(size)
        return [self._items.popleft() for _ in range(size)]

    def record_refusal(self, size: int) -> Item | None:
        """Takes off the one record that was refused alone; None when the batch is to be halved."""
        self._mended()
        if size == 1:
            self._halving.end()
            return self._items.popleft()
        self._halving.record_refusal(size)
        return None

    def _mended(self) -> None:
        self.failures = 0
        self.failing_s = 0.0
