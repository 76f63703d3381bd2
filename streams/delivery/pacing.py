"""Rate limits: no more than a destination takes, and as much as it takes."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """What a destination says of its limit: requests a minute, how many are left, until when.

    `reset_after` is in seconds from now.
    """

    limit: int
    remaining: int | None = None
    reset_after: float | None = None


class RateLimit:
    """A token bucket that hands out permits evenly, first come, first served.

    It starts from a published ceiling and believes what the destination announces.
    """

    # A tenth of a second's worth may go at once: smooth for the service, and timers need not be
    # finer than the event loop's.
    _BURST_SECONDS = 0.1

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._per_minute = per_minute
        # The time at which the next permit is due; an idle bucket falls behind now.
        self._next = clock()
        self.closed_until = self._next

    @property
    def per_minute(self) -> int | None:
        return self._per_minute

    @property
    def closed(self) -> bool:
        """Whether the destination asked to wait."""
        return self._clock() < self.closed_until

    async def permit(self) -> None:
        """Waits until one more request may go out."""
        while (delay := self.reserve()) > 0:  # noqa: ASYNC110 - it waits for time itself
            await asyncio.sleep(delay)

    def reserve(self) -> float:
        """Takes a permit and returns 0, or returns the seconds until it is worth asking again."""
        now = self._clock()
        if now < self.closed_until:
            return self.closed_until - now
        if self._per_minute is None:
            return 0.0
        self._next = max(self._next, now - self._BURST_SECONDS)
        if self._next > now:
            return self._next - now
        self._next += 60.0 / self._per_minute
        return 0.0

    def give_back(self) -> None:
        """Returns a permit that was taken and not used."""
        if self._per_minute is not None:
            self._next -= 60.0 / self._per_minute

    def observe(self, quota: Quota) -> None:
        """Believes what the destination said in an answer."""
        if quota.limit > 0:
            self._per_minute = quota.limit
        if quota.remaining == 0 and quota.reset_after is not None:
            self.close_for(quota.reset_after)

    def close_for(self, seconds: float) -> None:
        """Lets nothing out for that long."""
        self.closed_until = max(self.closed_until, self._clock() + seconds)


class Pacer:
    """The rate limits of one destination, by endpoint."""

    def __init__(
        self, ceilings: Mapping[str, int | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = {name: RateLimit(ceiling, clock) for name, ceiling in ceilings.items()}

    async def permit(self, endpoint: str) -> None:
        await self.limits[endpoint].permit()

    def observe(self, endpoint: str, quota: Quota) -> None:
        self.limits[endpoint].observe(quota)
