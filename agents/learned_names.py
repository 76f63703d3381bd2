"""Learns the names of audiences, for memberships that carry only an id."""

from models.audience import Audience
from models.audience_membership import MEMBERSHIPS, AudienceChanged, MembershipChanged
from models.record import Record


class LearnedNames:
    """The newest name of each audience, however records of different partitions interleave.

    A name of spaces is none. With `keeps_first` the first one it meets, whatever comes later, also
    in a record of its own.

    It forgets nobody, so that a record that was placed by a name can still be sent by it; when it
    is full, new audiences are not learned, and memberships without a name of their own are dead
    letters. The limit is far above what one account has.
    """

    def __init__(self, limit: int = 100_000, *, keeps_first: bool = False) -> None:
        self._limit = limit
        self._keeps_first = keeps_first
        self._names: dict[str, tuple[int, str]] = {}

    def learn(self, record: Record) -> None:
        """Takes the name from what was said of the audience itself; memberships may be old."""
        if isinstance(record, MEMBERSHIPS):
            if self._keeps_first:
                self._note(record.audience_id, record.audience_name, record)
        elif isinstance(record, AudienceChanged):
            self._note(record.audience_id, record.audience_name, record)
        elif isinstance(record, Audience):
            self._note(record.audience_id, record.name, record)

    def name(self, change: MembershipChanged | AudienceChanged) -> str | None:
        """Returns the record's own name, or else the one that was learned; the latter if kept."""
        known = self._names.get(change.audience_id)
        name = change.audience_name
        if name and name.strip() and not (known and self._keeps_first):
            return name
        return known and known[1]

    def _note(self, audience_id: str, name: str | None, record: Record) -> None:
        if not name or not name.strip():
            return
        at_ms = record.counts_at_ms or record.received_at_ms
        known = self._names.get(audience_id)
        if known is None and len(self._names) >= self._limit:
            return
        if known is None or (at_ms >= known[0] and not self._keeps_first):
            self._names[audience_id] = (at_ms, name)
