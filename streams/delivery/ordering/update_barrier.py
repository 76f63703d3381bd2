"""Holds a user's events back until the user's updates that came before them are through.

The router has a chunk's user-updates acknowledged before it writes the rest. So whoever asks for
the end of `user-update` after having read an event knows a place before which all the updates
stand that the event may count on. What a sink has to prepare goes first in the same way.
"""

import asyncio
import math
from asyncio import Future
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import islice

from faust.types import TP

from streams import metrics
from streams.delivery.lane import Item, Lane
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.sink import Prepares
from streams.engine.partition import Partition
from streams.kafka.log_end import LogEnd

# No request carries more of one user, and no request has to look through a whole lane.
_MAX_TOGETHER = 100


class UpdateBarrier:
    """Knows which updates have been admitted, and which of them have not ended.

    `updates` is the name of `user-update` on the cluster; `prepares` is the sink that does so.
    """

    def __init__(
        self,
        updates: str,
        log_end: LogEnd,
        policy: DeliveryPolicy,
        prepares: Prepares | None = None,
    ) -> None:
        self._updates = updates
        self._most_s = policy.updates_s
        self._prepares = prepares
        self._log_end = log_end
        self._admitted: dict[int, int] = {}
        self._partitions: dict[int, Partition] = {}
        self._moved = asyncio.Event()
        self._moved_at: dict[int, float] = {}
        self._ended_at = -math.inf
        # User -> lane -> offsets. They come in order, and the first is looked at for each record
        # that waits; a plain dict would search for it among those that have ended.
        self._unfinished: defaultdict[str, defaultdict[Lane, OrderedDict[int, None]]] = defaultdict(
            lambda: defaultdict(OrderedDict)
        )
        self._parked: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._unprepared: defaultdict[Future[None], list[Callable[[], None]]] = defaultdict(list)
        self._unprepared_at: dict[Future[None], float] = {}

    @property
    def users(self) -> int:
        """Returns the number of users with an update under way, or something that waits."""
        return len(self._unfinished.keys() | self._parked.keys())

    @property
    def prepares(self) -> bool:
        """Returns whether lanes wait for what the sink has to prepare."""
        return bool(self._unprepared)

    def prepares_for(self) -> float:
        """For how many seconds the oldest of it has been waited for."""
        if not self._unprepared_at:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._unprepared_at.values())

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Holds the connection to Kafka while the worker runs."""
        async with self._log_end:
            yield

    def begin(self, partition: Partition) -> None:
        """Records of a partition will be admitted from its position on."""
        tp = partition.tp
        if tp.topic == self._updates:
            self._admitted[tp.partition] = partition.offsets.position
            self._partitions[tp.partition] = partition

    def advance(self, tp: TP, end: int) -> None:
        """All records of a partition before `end` have been admitted."""
        if tp.topic == self._updates:
            self._admitted[tp.partition] = end
            self._moved_at[tp.partition] = asyncio.get_running_loop().time()
            self._moved.set()

    def track(self, item: Item, lane: Lane) -> None:
        """Has others wait for this record, where it is an update, until it has ended."""
        if item.source.topic == self._updates:
            self._unfinished[item.user][lane][item.source.offset] = None

    def finish(self, item: Item) -> None:
        """A record has ended; wakes who has waited for it."""
        if item.source.topic != self._updates:
            return
        self._ended_at = asyncio.get_running_loop().time()
        self._moved_at[item.source.partition] = self._ended_at
        self._finish(item.user, item.source.offset)
        # A lane that still has to wait is parked again.
        for wake in list(self._parked.get(item.user, ())):
            wake()

    def _finish(self, user: str, offset: int) -> None:
        if (unfinished := self._unfinished.get(user)) is None:
            return
        for lane, offsets in list(unfinished.items()):
            offsets.pop(offset, None)
            if not offsets:
                del unfinished[lane]
        if not unfinished:
            del self._unfinished[user]

    async def wait_for_updates(self, tp: TP, since: float) -> int:
        """Waits until the updates before now have been admitted; returns where they end.

        Updates themselves wait for none, and their answer is 0.

        As long as that partition's updates move, however large their backlog: a membership that
        went before its user's change of address would be of another profile. When none of them has
        been admitted or has ended for 30 seconds, counted from `since` at the earliest (the event
        loop's time), it waits no longer.
        """
        if tp.topic == self._updates:
            return 0
        partition = tp.partition
        end = await self._log_end.of(partition)
        updates = self._partitions.get(partition)
        if updates is not None and updates.read_limit is not None:
            # What is read of events now was written before the updates that are not to be read yet.
            end = min(end, updates.read_limit)
        now = asyncio.get_running_loop().time
        while self._admitted.get(partition, 0) < end:
            latest = max(since, self._moved_at.get(partition, since)) + self._most_s
            if now() >= latest:
                metrics.OVERTAKEN.inc()
                break
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(latest):
                    await self._moved.wait()
        return end

    def count_ready(self, lane: Lane, wake: Callable[[], None]) -> int:
        """Returns how many of a lane's first records may go now; with none, `wake` is called, once.

        Updates in the same lane keep their own place: only those in other lanes are waited for.

        That an update waits for its turn is no reason to go first: it is waited for as long as
        updates end, whosever they are. The lanes get their turns in order, and the updates were
        admitted before the record, so that this has an end: at most those that a worker holds go
        before. The 30 seconds, from when the record was queued at the earliest, are those since an
        update has last ended; where the lane of the user's own has had its turn, those since that
        turn, for then it fails, or cannot go, while others pass.
        """
        if lane.turn_at is None:
            lane.turn_at = asyncio.get_running_loop().time()
        ready = 0
        for item in islice(lane, _MAX_TOGETHER):
            if self._must_wait(item, lane):
                break
            ready += 1
        if not ready:
            self._park(lane, wake)
        return self._prepared(lane, ready, wake)

    def _prepared(self, lane: Lane, most: int, wake: Callable[[], None]) -> int:
        if self._prepares is None:
            return most
        for count, item in enumerate(islice(lane, most)):
            if item.record is None:
                continue
            if (missing := self._prepares.preparation(item.record)) is None:
                continue
            if not count:
                if missing not in self._unprepared:
                    missing.add_done_callback(self._wake)
                    self._unprepared_at[missing] = asyncio.get_running_loop().time()
                self._unprepared[missing].append(wake)
            return count
        return most

    def _wake(self, done: Future[None]) -> None:
        self._unprepared_at.pop(done, None)
        for wake in self._unprepared.pop(done, ()):
            wake()

    def _must_wait(self, item: Item, lane: Lane) -> bool:
        if not (before := self._before(item, lane)):
            return False
        if asyncio.get_running_loop().time() < self._latest(item, before):
            return True
        item.barrier = 0
        metrics.OVERTAKEN.inc()
        return False

    def _before(self, item: Item, lane: Lane) -> list[Lane]:
        """The other lanes in which updates stand that the record has to wait for."""
        if (unfinished := self._unfinished.get(item.user)) is None:
            return []
        return [
            each
            for each, offsets in unfinished.items()
            if each is not lane and next(iter(offsets)) < item.barrier
        ]

    def _latest(self, item: Item, before: Iterable[Lane]) -> float:
        """Until when a record waits for the updates in these lanes, unless more of them end."""
        since = [self._ended_at if each.turn_at is None else each.turn_at for each in before]
        return max(item.queued_at, *since) + self._most_s

    def _park(self, lane: Lane, wake: Callable[[], None]) -> None:
        item = lane.first
        parked = self._parked[item.user]
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def wake_once() -> None:
            timer.cancel()
            if wake_once in parked:
                parked.remove(wake_once)
                if not parked:
                    self._parked.pop(item.user, None)
                wake()

        def look() -> None:
            nonlocal timer
            before = self._before(item, lane)
            if before and loop.time() < (latest := self._latest(item, before)):
                timer = loop.call_at(latest, look)
            else:
                wake_once()

        timer = loop.call_at(self._latest(item, self._before(item, lane)), look)
        parked.append(wake_once)

    def forget(self) -> None:
        """Forgets everything: the partitions are gone."""
        self._admitted.clear()
        self._partitions.clear()
        self._unfinished.clear()
        for parked in self._parked.values():
            parked.clear()
        self._parked.clear()
        self._unprepared.clear()
        self._unprepared_at.clear()
        self._moved.set()


class NoBarrier(UpdateBarrier):
    """For who reads no updates: nothing waits for any, and nothing is prepared."""

    def __init__(self) -> None:
        """Asks Kafka nothing."""

    @property
    def prepares(self) -> bool:
        return False

    def prepares_for(self) -> float:
        return 0.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        yield

    def begin(self, partition: Partition) -> None:
        """Does nothing: no partition is one of updates."""

    def advance(self, tp: TP, end: int) -> None:
        """Does nothing, as above."""

    def track(self, item: Item, lane: Lane) -> None:
        """Does nothing: no record is an update."""

    def finish(self, item: Item) -> None:
        """Does nothing, as above."""

    async def wait_for_updates(self, tp: TP, since: float) -> int:
        del tp, since
        return 0

    def count_ready(self, lane: Lane, wake: Callable[[], None]) -> int:
        del wake
        return len(lane)

    def forget(self) -> None:
        """Does nothing: nothing is remembered."""
