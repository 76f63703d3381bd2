"""Drops updates that a router writes only because it has forgotten what it knew.

A router remembers what each user's snapshots said, and writes what differs. Once it has forgotten,
it writes what is old in two ways.

One that was killed goes through its last messages again with nothing in mind: it writes the old
snapshots too, under ids that nobody has seen, while what was newer comes again and is known. So a
user's update whose raw message stands before that of the last one seen says what was true before
it.

And mParticle sends old messages again, or late. They stand later than what is newer, and a router
that does not remember the user tells all that they say. It says in a header that it is not sure,
and when the message was sent; so it counts only where nothing newer was seen of the user. What it
alone told is told by the user's next message: the router remembers nothing of what it is not sure
of.
"""

from faust.types import TP
from msgspec import Struct

from streams.delivery.ordering.partition_memory import PartitionMemory
from streams.headers import Marks, Raw


class _Seen(Struct, frozen=True, gc=False):
    """The position of the raw message of a user's last update, and the update's own offset."""

    raw: Raw
    offset: int


class _Newest(Struct, frozen=True, gc=False):
    """The time at which a user's newest message was sent, in ms, and its update's offset."""

    at_ms: int
    offset: int


class SnapshotOrder:
    """Remembers of `limit` users the newest update, and the last of each raw partition."""

    def __init__(self, limit: int) -> None:
        self._latest = PartitionMemory[bytes, _Seen](limit)
        # By digests of users: of two that share one, at worst an update that is not sure is left
        # out for the other's, and told by the next message.
        self._newest = PartitionMemory[int, _Newest](limit)

    def see(self, tp: TP, user: str, marks: Marks, offset: int) -> None:
        """Takes when an update's message was sent, of whatever kind the update is."""
        if marks.sent is None or marks.redriven_for is not None:
            return
        who = hash((user, marks.epoch))
        newest = self._newest.get(tp, who)
        if newest is None or newest.at_ms <= marks.sent.at_ms:
            self._newest.put(tp, who, _Newest(marks.sent.at_ms, offset))

    def is_overtaken(self, tp: TP, user: str, marks: Marks, offset: int) -> bool:
        """Judges an update that is not known, and remembers it; `offset` is where it stands.

        One that does not say where it comes from is never overtaken, nor one that a person sent
        again. A raw message that Kafka took later is no earlier one, wherever it stands: its topic
        was made anew, or is another cluster's. Nor is what comes again, because it had not ended,
        from before what was last seen.
        """
        if marks.redriven_for is not None:
            return False
        return self._stands_before(tp, user, marks, offset) or self._is_outdated(
            tp, user, marks, offset
        )

    def _is_outdated(self, tp: TP, user: str, marks: Marks, offset: int) -> bool:
        sent = marks.sent
        if sent is None or sent.is_sure:
            return False
        newest = self._newest.get(tp, hash((user, marks.epoch)))
        return newest is not None and sent.at_ms < newest.at_ms and newest.offset < offset

    def _stands_before(self, tp: TP, user: str, marks: Marks, offset: int) -> bool:
        raw = marks.raw
        if raw is None:
            return False
        subject = b"%b@%b/%d" % (user.encode(errors="replace"), marks.epoch, raw.partition)
        latest = self._latest.get(tp, subject)
        if (
            latest is not None
            and raw.offset < latest.raw.offset
            and raw.received_at_ms <= latest.raw.received_at_ms
        ):
            return latest.offset < offset
        self._latest.put(tp, subject, _Seen(raw, offset))
        return False

    def forget(self, tp: TP) -> None:
        """Forgets a partition: it is another's, or a person moved its offset."""
        self._latest.forget(tp)
        self._newest.forget(tp)
