"""Limits the rate of requests to what a destination takes, and uses all of that."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from streams import clocks
from streams.delivery.rate_limit.quota import Budget, Foreign, Left, Proof, Quota, ends_this_minute

# A tenth of a second's worth may go at once: smooth for the service, and timers need not be finer
# than the event loop's.
_BURST_SECONDS = 0.1
# So much of what a busy event loop was late for goes out as soon as it can, if the count is known:
# the last seconds of a minute leave no time to catch up.
_LATE_SECONDS = 0.5
_ROUNDING = 1e-9
# The rate may have changed by then.
_POLL_SECONDS = 0.25
# Catches up within the minute on what a pause left unused.
_HEADROOM = 1.1
# So much of what is left is ours, whoever else uses the limit.
_MIN = 0.1
_MINUTE_SECONDS = 60.0
# A limit that counts by the minute opens within one, and what an answer takes.
_LONG_SECONDS = 65.0
# Who uses so much of a limit leaves nothing to speak of.
_NEARLY_ALL = 0.9


Ignored = Literal["limit", "remaining", "reset"]


class Part(Protocol):
    """This worker's part of a limit that it shares with others."""

    def share(self) -> float:
        """Returns this worker's part of the limit, from 0 to 1; all workers have 1 at most."""

    def used_by_others(self) -> int | None:
        """Requests that the other workers have ever sent; None while nobody tells."""


class Whole:
    """The part of one who shares with nobody."""

    def share(self) -> float:
        return 1.0

    def used_by_others(self) -> int | None:
        return 0


class RateLimit:
    """Hands out permits evenly, first come, first served.

    It starts from a published ceiling and believes what the destination announces. Of a count that
    starts anew each minute it spreads what is left over what is left of the minute.
    """

    def __init__(
        self,
        per_minute: int | None,
        clock: Callable[[], float] = clocks.monotonic,
        *,
        ours: float = 1.0,
        part: Part | None = None,
    ) -> None:
        """`ours` is the share of the limit that all our workers together may use."""
        self._clock = clock
        self._per_minute = per_minute
        self._ours = ours
        self._part = part or Whole()
        self._budget = Budget()
        self._foreign = Foreign()
        self._proof = Proof()
        self._minute = 0.0
        self._used_before = 0
        self._credit = 1.0
        self._credited_at = clock()
        self._due_at = math.inf
        self._closed_until = self._credited_at
        # Since when one wait has followed the other and nothing has passed.
        self._closed_since: float | None = None
        self.ignored: Counter[Ignored] = Counter()
        """Headers that made no sense, by what they were to tell."""
        self.on_ignored: Callable[[Ignored], None] = lambda _header: None
        self.in_flight = 0
        """Sent, and not answered: whether the destination has counted them is not known."""
        self.used = 0
        """Permits ever taken."""

    @property
    def per_minute(self) -> int | None:
        return self._per_minute

    @property
    def allowed(self) -> float | None:
        """Requests a minute that all our workers together may send."""
        return None if self._per_minute is None else self._per_minute * self._ours

    @property
    def share(self) -> float | None:
        """Requests a minute that this worker may send."""
        return None if self.allowed is None else self.allowed * self._part.share()

    @property
    def foreign(self) -> float:
        """Requests a minute that somebody else makes."""
        return self._foreign.per_minute

    @property
    def is_used_up_by_others(self) -> bool:
        """Returns whether nothing is left of this minute, and somebody else used nearly all."""
        left = self._budget.left(self._clock())
        if self._per_minute is None or left is None or left.requests > 0:
            return False
        return self.foreign >= _NEARLY_ALL * self._per_minute

    @property
    def is_paused(self) -> bool:
        """Returns whether the destination asked to wait."""
        now = self._clock()
        return self._closed_for(now, self._budget.left(now)) > 0

    def _closed_for(self, now: float, budget: Left | None) -> float:
        used_up = budget.seconds if budget is not None and budget.requests <= 0 else 0.0
        return max(self._closed_until - now, used_up)

    @property
    def closed_for_long(self) -> float | None:
        """Returns the seconds until it opens, where it is closed for over a minute in all.

        Waiting so long is no part of what a limit by the minute asks for.
        """
        now = self._clock()
        if self._closed_since is None:
            return None
        left = self._closed_for(now, self._budget.left(now))
        if left <= 0:
            return None
        return left if now + left - self._closed_since > _LONG_SECONDS else None

    async def permit(self) -> None:
        """Waits until one more request may go out."""
        while (delay := self.reserve()) > 0:  # noqa: ASYNC110 - it waits for time itself
            await asyncio.sleep(min(delay, _POLL_SECONDS))

    def reserve(self) -> float:
        """Takes a permit and returns 0, or returns the seconds until one is due as things are."""
        now = self._clock()
        due_at, self._due_at = self._due_at, math.inf
        left = self._budget.left(now)
        if (closed := self._closed_for(now, left)) > 0:
            return closed
        if self._per_minute is not None:
            rate = self._per_second(self._per_minute, left)
            self._gain(rate, now, now - due_at, left)
            if self._credit < 1.0 - _ROUNDING:
                delay = (1.0 - self._credit) / rate if rate else _POLL_SECONDS
                self._due_at = now + delay
                return delay
            self._credit -= 1.0
        self.used += 1
        return 0.0

    def _gain(self, rate: float, now: float, late: float, left: Left | None) -> None:
        """Permits of the time since the last ones; `late` is how long one has been overdue."""
        gained = (now - self._credited_at) * rate
        self._credited_at = now
        late = min(max(late, 0.0), _LATE_SECONDS) if left else 0.0
        most = 1.0 + rate * (_BURST_SECONDS + late)
        self._credit = max(self._credit, min(self._credit + gained, most))
        if left is not None:
            self._credit = min(self._credit, self._spare(self._per_minute or 0, left))

    def _per_second(self, per_minute: int, left: Left | None) -> float:
        rate = per_minute / 60.0 * self._ours
        if left is not None:
            if self._minute != self._budget.reset:
                self._minute, self._used_before = self._budget.reset, self.used
            even = self._spare(per_minute, left) / left.seconds
            rate *= _HEADROOM if self._ours == 1.0 else 1.0
            rate = min(rate, max(even - self._foreign.per_minute / 60.0, even * _MIN))
        return rate * self._part.share()

    def _spare(self, per_minute: int, left: Left) -> int:
        """Returns how many of this minute's requests are left beside all that are in flight."""
        uncounted = per_minute - (self.used - self._used_before)
        return max(0, min(left.requests - self.in_flight, uncounted))

    def give_back(self) -> None:
        """Returns a permit that was taken and not used."""
        self._credit += 1.0
        self.used -= 1

    def observe(self, quota: Quota) -> None:
        """Believes what the destination said in an answer that has just come, as far as it fits."""
        if quota.limit <= 0 or quota.limit < self._proof.per_minute:
            self.ignore("limit")
            return
        now = self._clock()
        self._per_minute = quota.limit
        if quota.reset_at is not None and not ends_this_minute(quota.reset_at, quota.now):
            self.ignore("reset")
        if not self._budget.observe(quota, now) or (left := self._budget.left(now)) is None:
            return
        if (others := self._part.used_by_others()) is not None:
            sent = self.used - self.in_flight + others
            self._foreign.observe(self._budget.reset, quota.limit, left, sent)

    def ignore(self, header: Ignored) -> None:
        """Counts a header that made no sense."""
        self.ignored[header] += 1
        self.on_ignored(header)

    def record_success(self) -> None:
        """The destination took a request, or had something against what is in it alone."""
        now = self._clock()
        self._closed_since = None
        minute = self._budget.reset if self._budget.left(now) else now // _MINUTE_SECONDS
        self._proof.record_success(minute, self.in_flight)

    def record_refusal(self, after: float | None) -> None:
        """The destination asks to wait, for so many seconds if it says how many.

        Not beyond the end of its minute, which is known better than in whole seconds.
        """
        now = self._clock()
        self._proof.record_refusal()
        left = self._budget.left(now)
        self.close_for(min(after or 1.0, left.seconds) if left else after or 1.0)
        if self._closed_since is None:
            self._closed_since = now

    def close_for(self, seconds: float) -> None:
        """Lets nothing out for that long."""
        now = self._clock()
        self._closed_until = max(self._closed_until, now + seconds)
        if seconds > _LONG_SECONDS and self._closed_since is None:
            self._closed_since = now


class Pacer:
    """Holds the rate limits of one destination, by endpoint, and asks `may_send`.

    That one says whether this worker surely still is a member of its group.
    """

    def __init__(
        self,
        ceilings: Mapping[str, int | None],
        clock: Callable[[], float] = clocks.monotonic,
        *,
        ours: float = 1.0,
        part: Callable[[str], Part] | None = None,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """`ours` is what all our workers may use of each limit, `part` this worker's part of it."""
        self.may_send = may_send
        self.limits = {
            name: RateLimit(ceiling, clock, ours=ours, part=part(name) if part else None)
            for name, ceiling in ceilings.items()
        }

    def reserve(self, endpoint: str) -> float:
        """Takes a permit and returns 0, or returns the seconds until one is due.

        There is none to wait for: who sends holds a connection, and waiting is an endpoint's.
        """
        return self.limits[endpoint].reserve()

    def observe(self, endpoint: str, quota: Quota) -> None:
        self.limits[endpoint].observe(quota)

    def ignore(self, endpoint: str, header: Ignored) -> None:
        """Counts a header of a limit that cannot be read."""
        self.limits[endpoint].ignore(header)
