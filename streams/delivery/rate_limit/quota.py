"""Follows the destination's own count of requests: what of this minute is left, and to whom."""

import math
from dataclasses import dataclass
from typing import NamedTuple

_WINDOW_SECONDS = 60.0
# Clocks of one service's machines may differ so much, and an answer be so long on its way.
_SLACK_SECONDS = 5.0
# At the edges of a minute an answer may be counted in another than it came in.
_SURE = 0.9
# A destination tells its time in whole seconds.
_CUT_OFF_SECONDS = 1.0
# Other workers' counts arrive late: use by others below this share may be our own.
_OUR_OWN_AT_MOST = 0.03
_SEEN_AT_LEAST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Quota:
    """An answer's word on the limit: requests a minute, how many are left, and until when.

    `reset_at` and `now` are the destination's own time in unix seconds, `now` without fractions;
    only their differences count. `took` is how long the answer took, in seconds of ours.
    """

    limit: int
    remaining: int | None = None
    reset_at: float | None = None
    now: float | None = None
    took: float = 0.0


def ends_this_minute(reset_at: float | None, now: float | None) -> bool:
    """Returns whether a reset can be the end of the service's own present minute.

    By the service's clock: what ours shows takes no part, nor is a header believed that is in
    milliseconds, an hour ahead or long past.
    """
    if reset_at is None or now is None:
        return False
    return -_SLACK_SECONDS < reset_at - now <= _WINDOW_SECONDS + _SLACK_SECONDS


class Left(NamedTuple):
    """Requests that are left, and seconds until the count starts anew."""

    requests: int
    seconds: float


class Budget:
    """A destination's count, which starts anew each full minute of its own clock.

    That clock is known to within the time an answer takes: each answer narrows it down, since it
    was made after its request was sent and before it came.
    """

    def __init__(self) -> None:
        self._behind = math.inf
        self.reset = -math.inf
        """The end of the present minute, by the destination's clock."""
        self._limit = self._remaining = 0

    def observe(self, quota: Quota, now: float) -> bool:
        """Takes what an answer says; False when that is nothing of the present minute."""
        if quota.remaining is None or quota.reset_at is None:
            return False
        if not ends_this_minute(quota.reset_at, quota.now):
            return False
        self._narrow(quota, quota.reset_at, now)
        self._limit = quota.limit
        if quota.reset_at > self.reset:
            self.reset, self._remaining = quota.reset_at, quota.remaining
        elif quota.reset_at == self.reset:
            # Answers overtake each other.
            self._remaining = min(self._remaining, quota.remaining)
        else:
            return False
        return True

    def _narrow(self, quota: Quota, reset: float, now: float) -> None:
        sent = now - quota.took
        if quota.now is not None:
            self._clamp(sent - quota.now - _CUT_OFF_SECONDS, now - quota.now)
        # Last, since these are the minutes that count, whatever clock the header is from.
        self._clamp(sent - reset, now - reset + _WINDOW_SECONDS)

    def _clamp(self, low: float, high: float) -> None:
        # Rounded up: too late costs a moment, too early is refused.
        self._behind = min(max(self._behind, low), high)

    def left(self, now: float) -> Left | None:
        """None before the destination has told."""
        if self.reset == -math.inf:
            return None
        seconds = self.reset + self._behind - now
        if seconds <= 0:
            minutes = math.floor(-seconds / _WINDOW_SECONDS) + 1
            self.reset += minutes * _WINDOW_SECONDS
            self._remaining = self._limit
            seconds += minutes * _WINDOW_SECONDS
        return Left(self._remaining, seconds)


class Proof:
    """Counts the requests that a destination let pass in one of its minutes since a refusal.

    Whatever it says of a lower limit, so many are within it.
    """

    def __init__(self) -> None:
        self.per_minute = 0
        self._minute: object = None
        self._passed = self._before = 0

    def record_success(self, minute: object, in_flight: int) -> None:
        """A request passed in the `minute`, whatever that is named by.

        What was in flight as the minute began may have been counted in the one before.
        """
        if minute != self._minute:
            self._minute, self._passed, self._before = minute, 0, in_flight
        self._passed += 1
        sure = int((self._passed - self._before) * _SURE)
        self.per_minute = max(self.per_minute, sure)

    def record_refusal(self) -> None:
        """Forgets the proof: the destination has refused a request."""
        self.per_minute, self._minute = 0, None


class Foreign:
    """Estimates how many requests a minute of an account's limit somebody else uses.

    All that the destination counts, less what our workers have sent. Over the last 60 seconds:
    this minute's count, and of the last one's the part that is not 60 seconds ago.
    """

    def __init__(self) -> None:
        self.per_minute = 0.0
        self._reset = -math.inf
        self._before: float | None = None
        self._rate = 0.0
        self._counted = self._ours = 0
        self._since = 0.0

    def observe(self, reset: float, limit: int, left: Left, ours: int) -> None:
        """`ours` is what all our workers have ever sent."""
        elapsed = _WINDOW_SECONDS - left.seconds
        counted = limit - left.requests
        if reset != self._reset:
            follows = reset - self._reset == _WINDOW_SECONDS
            self._before = self._rate if follows else None
            self._counted, self._since = (0, 0.0) if follows else (counted, elapsed)
            self._reset, self._ours = reset, ours
        used = max(0, counted - self._counted - (ours - self._ours))
        if self._before is None:
            seen = max(elapsed - self._since, _SEEN_AT_LEAST_SECONDS)
            self._rate = used * _WINDOW_SECONDS / seen
            estimate = self._rate
        else:
            self._rate = used
            estimate = used + self._before * left.seconds / _WINDOW_SECONDS
        self.per_minute = estimate if estimate > _OUR_OWN_AT_MOST * limit else 0.0
