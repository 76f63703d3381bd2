"""Whether this worker surely still is a member of its group."""

from collections.abc import Callable

from streams import clocks


class Membership:
    """Sure means: what Kafka last confirmed was asked for lately enough.

    A process that was frozen wakes up with old state in its hands, and others may long have gone
    on with its partitions. Until Kafka confirms it again it must send nothing.

    A commit confirms; Kafka takes it from members only. A heartbeat carries on what is sure, but
    ends no silence: while a coordinator still reads its groups from its log, it says yes to every
    heartbeat (Apache Kafka, GroupCoordinatorService.heartbeat).
    """

    # Before Kafka gives up on a member, with room for a request that is on its way.
    _SURE_SHARE = 0.8

    def __init__(
        self, session_timeout_s: float, clock: Callable[[], float] = clocks.monotonic
    ) -> None:
        self._sure_for = session_timeout_s * self._SURE_SHARE
        self._clock = clock
        self._confirmed_at = self._answered_at = float("-inf")

    def now(self) -> float:
        return self._clock()

    def confirmed(self, asked_at: float) -> None:
        """Kafka took a commit that was sent then."""
        self._confirmed_at = max(self._confirmed_at, asked_at)

    def answered(self, asked_at: float) -> bool:
        """Kafka answered a heartbeat that was sent then; False when that confirms nothing."""
        self._answered_at = max(self._answered_at, asked_at)
        if sure := self.sure():
            self.confirmed(asked_at)
        return sure

    def let_in(self) -> None:
        """Kafka has just given this member partitions: it answers, and has confirmed nothing."""
        self._answered_at = self._clock()

    def sure(self) -> bool:
        return self._clock() - self._confirmed_at < self._sure_for

    def in_touch(self) -> bool:
        """Whether Kafka answers at all."""
        answered_at = max(self._answered_at, self._confirmed_at)
        return self._clock() - answered_at < self._sure_for
