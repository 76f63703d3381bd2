"""Segments of visitors: queued, applied in order, and gone after their time."""

from collections import deque
from dataclasses import dataclass

from sandbox.ab_tasty.options import Options
from sandbox.ab_tasty.upload import Row

DAY = 86_400


@dataclass(frozen=True, slots=True)
class File:
    due: float
    expires: float
    rows: list[Row]


class Segments:
    """One value for each visitor and segment; a later row holds.

    Observed: readers keep one value (flagship-io/flagship-ts-sdk, BucketingManager.ts).
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._queue: deque[File] = deque()
        self._values: dict[str, dict[str, tuple[str, float]]] = {}
        self.files = 0
        self.rows = 0
        self.ignored = 0

    def accept(self, rows: list[Row]) -> None:
        now = self._options.clock()
        expires = now + self._options.retention_days * DAY
        self._queue.append(File(now + self._options.apply_delay, expires, rows))
        self.files += 1
        self.rows += len(rows)

    def waiting(self) -> int:
        self._apply_due()
        return len(self._queue)

    def all(self) -> dict[str, dict[str, str]]:
        self._apply_due()
        now = self._options.clock()
        living = (
            (visitor, {name: value for name, (value, expires) in entries.items() if expires > now})
            for visitor, entries in self._values.items()
        )
        return {visitor: segments for visitor, segments in living if segments}

    def of(self, visitor: str) -> list[dict[str, object]]:
        """Rows as read back.

        Observed, flagship-io/flagship-ts-sdk types.ts: the names, and that the expiration is a
        number; inferred: it is in unix seconds, and who is unknown has no rows.
        """
        self._apply_due()
        return [
            {
                "visitor_id": visitor,
                "segment": segment,
                "value": value,
                "expiration": int(expires),
                "partner": self._options.partner,
            }
            for segment, (value, expires) in self._values.get(visitor, {}).items()
            if expires > self._options.clock()
        ]

    def _apply_due(self) -> None:
        now, known = self._options.clock(), self._options.known_visitors
        while self._queue and self._queue[0].due <= now:
            file = self._queue.popleft()
            for visitor, segment, value in file.rows:
                if known is not None and visitor not in known:
                    self.ignored += 1
                else:
                    self._values.setdefault(visitor, {})[segment] = (value, file.expires)
