"""Drops membership changes that are older than what was last seen: mParticle promises no order."""

from typing import NamedTuple

from faust.types import TP

from models.audience_membership import MembershipChanged
from streams.delivery.recollection import Recollection


class Subject(NamedTuple):
    """Whose membership of what; after a person moved offsets, everything may come again."""

    epoch: bytes
    user: str
    audience_id: str


class Staleness:
    """Remembers the time of the last change of each user and audience, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._latest = Recollection[Subject, int](limit)

    def is_stale(self, tp: TP, record: MembershipChanged, user: str, epoch: bytes) -> bool:
        """Judges a change and remembers its time; one without a time is never stale."""
        at_ms = record.occurred_at_ms
        if at_ms is None:
            return False
        subject = Subject(epoch, user, record.audience_id)
        latest = self._latest.get(tp, subject)
        if latest is not None and at_ms < latest:
            return True
        self._latest.put(tp, subject, at_ms)
        return False

    def forget(self, tp: TP) -> None:
        """Forgets the times of a partition: it is another's, or a person moved its offset."""
        self._latest.forget(tp)
