"""Whether this worker surely still is a member of its group."""

import time
from collections.abc import Callable


class Membership:
    """Sure means: the last heartbeat that Kafka answered was sent lately enough.

    A process that was frozen wakes up with old state in its hands, and others may long have gone
    on with its partitions. Until the next heartbeat it must send nothing.
    """

    # Before Kafka gives up on a member, with room for a request that is on its way.
    _SURE_SHARE = 0.8

    def __init__(
        self, session_timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sure_for = session_timeout_s * self._SURE_SHARE
        self._clock = clock
        self._confirmed_at = float("-inf")

    def now(self) -> float:
        return self._clock()

    def confirmed(self, asked_at: float) -> None:
        """Kafka answered a heartbeat, or a join, that was sent then."""
        self._confirmed_at = max(self._confirmed_at, asked_at)

    def sure(self) -> bool:
        return self._clock() - self._confirmed_at < self._sure_for
