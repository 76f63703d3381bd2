"""When the records of a partition came."""

from collections import deque
from collections.abc import Iterable


class Arrivals:
    """Knows it to the second: of each second the first offset is kept, and not one a record."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def came(self, records: Iterable[tuple[int, int]], watermark: int) -> None:
        """Takes (offset, Kafka's timestamp in milliseconds) in fetch order."""
        self.at(watermark)
        last = self._seconds[-1][1] if self._seconds else None
        for offset, timestamp_ms in records:
            second = timestamp_ms // 1000
            if second != last:
                self._seconds.append((offset, second))
                last = second

    def at(self, watermark: int) -> float | None:
        """When the record at the watermark came; forgets what came before it."""
        while len(self._seconds) > 1 and self._seconds[1][0] <= watermark:
            self._seconds.popleft()
        return float(self._seconds[0][1]) if self._seconds else None
