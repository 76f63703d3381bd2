"""Drops membership changes that are older than what was last seen: mParticle promises no order."""

from collections import OrderedDict
from typing import NamedTuple

from models.audience_membership import MembershipChanged


class Subject(NamedTuple):
    """Whose membership of what; after a person moved offsets, everything may come again."""

    epoch: bytes
    user: str
    audience_id: str


class Staleness:
    """Remembers the time of the last change of each user and audience, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._latest: OrderedDict[Subject, int] = OrderedDict()

    def is_stale(self, record: MembershipChanged, user: str, epoch: bytes) -> bool:
        """Judges a change and remembers its time; one without a time is never stale."""
        at_ms = record.occurred_at_ms
        if at_ms is None:
            return False
        subject = Subject(epoch, user, record.audience_id)
        if at_ms < self._latest.get(subject, at_ms):
            return True
        self._latest[subject] = at_ms
        self._latest.move_to_end(subject)
        if len(self._latest) > self._limit:
            self._latest.popitem(last=False)
        return False
