"""Tells a worker that waits from one that hangs."""

import asyncio
from collections.abc import Callable, Hashable, Mapping

from faust.types import TP

from streams import clocks
from streams.engine.group_lease import GroupLease
from streams.engine.partition import Partition
from streams.engine.processor import Processor
from streams.kafka.access import Access


class StalledError(Exception):
    """The worker hangs; it ends, so that the platform can start another."""


class Watchdog:
    """Looks at a mark of progress from time to time.

    Whoever hangs does not know it: so it is the process that ends, and the platform that starts
    another.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = clocks.monotonic) -> None:
        self._limit = limit_s
        self._clock = clock
        self._mark: Hashable = None
        self._moved_at = clock()

    def is_stalled(self, mark: Hashable, *, excused: bool) -> bool:
        """Returns whether the mark has stood still for too long; not while there is an excuse."""
        if excused or mark != self._mark:
            self._mark = mark
            self._moved_at = self._clock()
        return self._clock() - self._moved_at > self._limit


async def watch(
    limit_s: float,
    partitions: Mapping[TP, Partition],
    processor: Processor,
    lease: GroupLease,
    access: Access,
    is_named: Callable[[], bool] = lambda: False,
) -> None:
    """Looks until cancelled; raises StalledError in a worker that hangs, or that Kafka forgot.

    One that is locked out ends too, after the same time: where a mended secret is in its
    environment, nothing else reads it.

    `is_named` says whether /ready tells of something that may keep all from going on.
    """
    work, group, login = Watchdog(limit_s), Watchdog(limit_s), Watchdog(limit_s)
    while True:
        await asyncio.sleep(limit_s / 10)
        idle = not any(
            p.offsets.waiting or not (p.started or p.is_held) for p in partitions.values()
        )
        mark = tuple(
            (p.tp, p.offsets.position, p.offsets.waiting, p.recalled) for p in partitions.values()
        )
        if login.is_stalled(None, excused=access.locked_out is None):
            raise StalledError(f"Kafka let it in no more for {limit_s:.0f} s: {access.locked_out}")
        if work.is_stalled(mark, excused=idle or processor.waits_on_purpose or is_named()):
            raise StalledError(f"nothing ended for {limit_s:.0f} s, and nothing says why")
        # A worker that is locked out says so, and not that it hangs.
        if group.is_stalled(None, excused=lease.is_in_touch() or access.locked_out is not None):
            raise StalledError(f"Kafka answered no heartbeat for {limit_s:.0f} s")
