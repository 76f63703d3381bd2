"""Tells a worker that waits from one that hangs."""

import time
from collections.abc import Callable, Hashable


class StalledError(Exception):
    """The worker hangs; it ends, so that the platform can start another."""


class Watchdog:
    """Looks at a mark of progress from time to time.

    Whoever hangs does not know it: so it is the process that ends, and the platform that starts
    another.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit_s
        self._clock = clock
        self._mark: Hashable = None
        self._moved_at = clock()

    def stalled(self, mark: Hashable, *, excused: bool) -> bool:
        """Whether the mark has stood still for too long; not while there is an excuse."""
        if excused or mark != self._mark:
            self._mark = mark
            self._moved_at = self._clock()
        return self._clock() - self._moved_at > self._limit
