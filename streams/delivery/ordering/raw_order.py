"""Drops updates that a router writes only because it has forgotten what it knew.

A router remembers what each user's snapshots said, and writes what differs. One that was killed
goes through its last messages again with nothing in mind: it writes the old snapshots too, under
ids that nobody has seen, while what was newer comes again and is known. So a user's update whose
raw message stands before that of the last one seen says what was true before it.
"""

from typing import NamedTuple

from faust.types import TP

from streams.delivery.ordering.recollection import Recollection
from streams.headers import Marks, Raw


class _Seen(NamedTuple):
    """Where the raw message of a user's last update stands, and the update itself in our log."""

    raw: Raw
    offset: int


class RawOrder:
    """Remembers the last update of each user and raw partition, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._latest = Recollection[bytes, _Seen](limit)

    def is_overtaken(self, tp: TP, user: str, marks: Marks, offset: int) -> bool:
        """Judges an update that is not known, and remembers it; `offset` is where it stands.

        One that does not say where it comes from is never overtaken, nor one that a person sent
        again. A raw message that Kafka took later is no earlier one, wherever it stands: its topic
        was made anew, or is another cluster's. Nor is what comes again, because it had not ended,
        from before what was last seen.
        """
        raw = marks.raw
        if raw is None or marks.redriven_for is not None:
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
