"""Notices another process with the same KAFKA_GROUP_INSTANCE_ID."""

from collections import deque
from collections.abc import Callable

from aiokafka.errors import UnknownError

from streams import clocks
from streams.engine.refusals import GroupError

_LOSSES = 3
_SESSIONS = 10


class DuplicateMembers:
    """Tells a member that another process replaces again and again.

    To Kafka whoever joins under a static member's name is that member, started anew, and the one
    before is unknown from then on. aiokafka joins again, and so replaces the other: both go on for
    ever, with the same partitions. Java's client ends, as Kafka tells it that it was fenced. Ours
    is not told so, since aiokafka 0.14 sends no instance id with heartbeats and commits.
    """

    def __init__(
        self,
        instance_id: str | None,
        session_timeout_s: float,
        clock: Callable[[], float] = clocks.monotonic,
    ) -> None:
        self._instance_id = instance_id
        self._within = session_timeout_s * _SESSIONS
        self._clock = clock
        self._lost_at: deque[float] = deque(maxlen=_LOSSES)

    def lost_membership(self, *, in_touch: bool) -> GroupError | None:
        """Returns the error to end with after too many losses; one after silence does not count."""
        if not in_touch or not self._note_loss():
            return None
        return GroupError(
            f"Another process is in this group as {self._instance_id} too: give each replica a "
            "KAFKA_GROUP_INSTANCE_ID of its own, or none."
        )

    def join_refused(self, error: Exception) -> GroupError | None:
        """The same for a join that Kafka cannot answer, as when two of one name join at once.

        Kafka 4.3 says UnknownError then, each time (tried); aiokafka hands it on as a text.
        """
        if UnknownError.__name__ not in str(error) or not self._note_loss():
            return None
        return GroupError(
            f"Kafka does not let this worker into its group as {self._instance_id} (UnknownError), "
            f"as when another process is in this group as {self._instance_id} too: give each "
            "replica a KAFKA_GROUP_INSTANCE_ID of its own, or look at the brokers' log."
        )

    def _note_loss(self) -> bool:
        """Notes one loss; returns whether there were enough of them, close enough together."""
        if self._instance_id is None:
            return False
        now = self._clock()
        self._lost_at.append(now)
        return len(self._lost_at) == _LOSSES and now - self._lost_at[0] <= self._within
