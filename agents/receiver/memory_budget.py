"""Bounds the bytes of posts that are held at once, whatever mParticle sends."""

from types import TracebackType
from typing import Self

from agents.receiver.responses import NO_ROOM, RefusedError
from streams import metrics

# A connection reads so much ahead, and a small post costs as much beside its bytes.
_MIN = 64 * 1024


class MemoryBudget:
    """A budget of bytes: how many may still be held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        # Asked when somebody reads it: it changes three times a post.
        metrics.RECEIVER_MAX_IN_FLIGHT_BYTES.set_function(lambda: self._taken)

    def reserve(self, size: int) -> None:
        """Raises RefusedError when there is not so much left."""
        if self._taken + size > self._most:
            raise RefusedError(NO_ROOM)
        self._taken += size

    def release(self, size: int) -> None:
        self._taken -= size


class Claim:
    """One post's part of the budget, given back when leaving it, or by who keeps it."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self._size = max(size, _MIN)
        self._is_kept = False
        budget.reserve(self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_kept:
            self.release()

    def grow(self, size: int) -> None:
        """Makes it at least so large; raises RefusedError when there is no room for that."""
        if size > self._size:
            self._budget.reserve(size - self._size)
            self._size = size

    def shrink(self, size: int) -> None:
        """Gives back what is more than that, once no more is held."""
        if (needed := max(size, _MIN)) < self._size:
            self._budget.release(self._size - needed)
            self._size = needed

    def keep(self) -> None:
        """The producer holds the message, however long anybody waits for that."""
        self._is_kept = True

    def release(self) -> None:
        self._budget.release(self._size)
