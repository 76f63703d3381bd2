"""Drops what is older than what was last seen: by its time, or by where its raw message stands.

Which of the two the record says itself (`Record.superseded_by`): mParticle promises no order of its
HTTP requests; of what a router writes again see snapshot_order.py.
"""

from collections import defaultdict

from faust.types import TP
from msgspec import Struct

from models.record import Record
from streams.delivery.ordering.partition_memory import PartitionMemory
from streams.delivery.ordering.snapshot_order import SnapshotOrder


class Subject(Struct, frozen=True, gc=False):
    """The user and thing a change is about; a new epoch, since offsets moved, may repeat it all."""

    epoch: bytes
    user: str
    subject: str


class _Seen(Struct, frozen=True, gc=False):
    """The time of a change, in milliseconds, and its offset."""

    at_ms: int
    offset: int


# A time takes two and a half times the room of an id, and most records are none.
_IDS_TO_A_TIME = 4
# Few updates are enough: only those count that a router had under way when it was killed.
_TIMES_TO_AN_UPDATE = 5


class Staleness:
    """Remembers the last change of each user and audience, `limit` of them."""

    @classmethod
    def beside(cls, ids: int) -> "Staleness":
        """Makes one that remembers as many changes as fit beside so many ids."""
        return cls(max(1, ids // _IDS_TO_A_TIME))

    def __init__(self, limit: int) -> None:
        self._latest = PartitionMemory[Subject, _Seen](limit)
        self._epochs = defaultdict[TP, set[bytes]](set)
        self.updates = SnapshotOrder(max(1, limit // _TIMES_TO_AN_UPDATE))

    def is_stale(self, tp: TP, record: Record, user: str, epoch: bytes, offset: int) -> bool:
        """Judges a change and remembers it; one without a time is never stale.

        Nor is one that comes again, because it had not ended, from before what was last seen.
        """
        at_ms = record.counts_at_ms
        if at_ms is None:
            return False
        subject = Subject(epoch, user, record.subject)
        self._epochs[tp].add(epoch)
        latest = self._latest.get(tp, subject)
        if latest is not None and at_ms < latest.at_ms:
            return latest.offset < offset
        self._latest.put(tp, subject, _Seen(at_ms, offset))
        return False

    def is_overtaken(self, tp: TP, record: Record, user: str) -> bool:
        """Judges a change that a person sent again: a later one counts, of whatever epoch."""
        at_ms = record.counts_at_ms
        subjects = (Subject(epoch, user, record.subject) for epoch in self._epochs[tp])
        latest = (self._latest.get(tp, subject) for subject in subjects)
        return at_ms is not None and any(seen and at_ms < seen.at_ms for seen in latest)

    def forget(self, tp: TP) -> None:
        """Forgets what was seen of a partition: it is another's, or a person moved its offset."""
        self._epochs.pop(tp, None)
        self._latest.forget(tp)
        self.updates.forget(tp)
