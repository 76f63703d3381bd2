"""A lease on the partitions: while a worker holds it, it surely is a member of its group."""

from collections.abc import Callable

from streams import clocks


class GroupLease:
    """Held means: what Kafka last confirmed was asked for lately enough.

    A process that was frozen wakes up with old state in its hands, and others may long have gone
    on with its partitions. Until Kafka confirms it again it must send nothing.

    A commit renews it: Kafka takes one from members only. A heartbeat prolongs what is held, but
    ends no silence: while a coordinator still reads its groups from its log, it says yes to every
    heartbeat (Apache Kafka, GroupCoordinatorService.heartbeat).
    """

    # Before Kafka gives up on a member, with room for a request that is on its way.
    _HELD_SHARE = 0.8

    def __init__(
        self, session_timeout_s: float, clock: Callable[[], float] = clocks.monotonic
    ) -> None:
        self._held_for = session_timeout_s * self._HELD_SHARE
        self.clock = clock
        """The clock, in seconds, that the lease and its renewals go by."""
        self._renewed_at = self._answered_at = float("-inf")

    def renew(self, asked_at: float) -> None:
        """Kafka took a commit that was sent then."""
        self._renewed_at = max(self._renewed_at, asked_at)

    def record_heartbeat(self, asked_at: float) -> bool:
        """Kafka answered a heartbeat that was sent then; False when that confirms nothing."""
        self._answered_at = max(self._answered_at, asked_at)
        if held := self.is_held():
            self.renew(asked_at)
        return held

    def record_assignment(self) -> None:
        """Kafka has just given this member partitions: it answers, and has confirmed nothing."""
        self._answered_at = self.clock()

    def is_held(self) -> bool:
        return self.clock() - self._renewed_at < self._held_for

    def is_in_touch(self) -> bool:
        """Returns whether Kafka answers at all."""
        answered_at = max(self._answered_at, self._renewed_at)
        return self.clock() - answered_at < self._held_for
