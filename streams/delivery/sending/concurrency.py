"""Adapts the number of requests in flight: more while latency stays as it is, else fewer."""

import asyncio
from collections import defaultdict

from streams.delivery.sending.slots import Slots

# Than usual; above that the destination is asked too much at once.
_SLOWER = 1.5
_SHRINK = 0.8
# How fast another latency becomes the usual one.
_LEARN = 0.1


def _now() -> float:
    return asyncio.get_running_loop().time()


class Connections:
    """Slots for requests in flight, between half of `most` and `most`, adapted to latency.

    It looks once in as many answers as there are slots, and changes nothing if slots were free most
    of that time: then something else decides how many requests there are. How slow answers are is
    told by each endpoint's own usual latency, since endpoints differ.
    """

    def __init__(self, most: int) -> None:
        self._least = (most + 1) // 2
        self._most = most
        self._slots = Slots(self._least)
        self._starting = True
        self._round_began = self._full_since = self._full_seconds = 0.0
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._usual: dict[str, float] = {}

    @property
    def allowed(self) -> int:
        return self._slots.count

    async def acquire(self, endpoint: str) -> None:
        """Waits for a slot."""
        await self._slots.acquire(endpoint)
        if self._slots.are_taken:
            self._full_since = _now()

    def release(self, endpoint: str) -> None:
        """Returns a slot; after a shrinking, so many of them are gone."""
        self._count_full()
        self._slots.release(endpoint)

    def _count_full(self) -> None:
        if self._slots.are_taken:
            now = _now()
            self._full_seconds += now - max(self._full_since, self._round_began)
            self._full_since = now

    def observe(self, endpoint: str, seconds: float) -> None:
        """Takes how long an answer took."""
        self._seconds[endpoint].append(seconds)
        if sum(map(len, self._seconds.values())) >= self.allowed:
            self._count_full()
            all_used = self._full_seconds * 2 > _now() - self._round_began
            slowness = self._slowness(learns=not all_used or self.allowed == self._least)
            if all_used:
                self._adapt(slowness)
            self._round_began, self._full_seconds = _now(), 0.0

    def _slowness(self, *, learns: bool) -> float:
        """Returns how much longer than usual the answers of this round took.

        While there may be too many requests at once, it learns nothing slower.
        """
        taken = expected = 0.0
        for endpoint, seconds in self._seconds.items():
            mean = sum(seconds) / len(seconds)
            usual = self._usual.get(endpoint, mean)
            taken += sum(seconds)
            expected += usual * len(seconds)
            self._usual[endpoint] = usual
            if learns or mean < usual:
                self._usual[endpoint] += (mean - usual) * _LEARN
        self._seconds.clear()
        return taken / expected if expected else 1.0

    def _adapt(self, slowness: float) -> None:
        if slowness > _SLOWER:
            self._starting = False
            self._slots.resize(max(self._least, int(self.allowed * _SHRINK)))
        else:
            more = self.allowed * 2 if self._starting else self.allowed + 1
            self._slots.resize(min(self._most, more))
