"""Rate limits on a simulated clock: never more than the ceiling, and all of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.pacing import Pacer, Quota, RateLimit
from tests.streams.properties import SMALL

CEILINGS = st.sampled_from([1, 6, 60, 300, 2_400, 18_000])
# What a bucket may let out at once: a tenth of a second's worth, and the one that is due.
BURST_SECONDS = 0.1


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def take(limit: RateLimit, clock: Clock, until: float) -> list[float]:
    """The times at which one who always wants a permit gets one."""
    times = []
    while clock.now < until:
        delay = limit.reserve()
        if delay == 0:
            times.append(clock.now)
        else:
            # A real timer is never early, and never exact.
            clock.now += delay + 1e-6
    return times


def most_in_any_window(times: list[float], seconds: float) -> int:
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(CEILINGS, st.floats(0.001, 60), st.lists(st.floats(0, 30), max_size=3))
@SMALL
def test_no_window_holds_more_than_the_ceiling_and_the_burst(
    per_minute: int, window: float, pauses: list[float]
) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    times: list[float] = []
    for pause in [*pauses, 0.0]:
        times += take(limit, clock, clock.now + 5)
        clock.now += pause

    allowed = per_minute / 60 * (window + BURST_SECONDS) + 1
    assert most_in_any_window(times, window) <= allowed + 1e-6


@given(CEILINGS)
@SMALL
def test_who_always_wants_a_permit_gets_all_that_the_ceiling_allows(per_minute: int) -> None:
    clock = Clock()

    assert len(take(RateLimit(per_minute, clock), clock, clock.now + 60)) >= per_minute * 0.99


def test_without_a_ceiling_nothing_waits() -> None:
    limit = RateLimit(None, Clock())

    assert [limit.reserve() for _ in range(1_000)] == [0.0] * 1_000


@pytest.mark.parametrize("per_minute", [None, 600])
def test_nothing_goes_out_until_the_time_that_was_set(per_minute: int | None) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    limit.close_for(30)
    limit.close_for(5)
    clock.now += 29.9

    assert limit.reserve() == pytest.approx(0.1)

    clock.now += 0.2

    assert limit.reserve() == 0


def test_a_closed_time_saves_up_no_permits() -> None:
    clock = Clock()
    limit = RateLimit(600, clock)
    limit.close_for(60)

    assert len(take(limit, clock, clock.now + 61)) <= 13


@pytest.mark.parametrize(
    ("quota", "waits"),
    [
        (Quota(600, remaining=0, reset_after=20.0), 20.0),
        (Quota(600, remaining=1, reset_after=20.0), 0.0),
        (Quota(600, remaining=0), 0.0),
        (Quota(600), 0.0),
    ],
)
def test_a_quota_that_is_used_up_closes_until_its_reset(quota: Quota, waits: float) -> None:
    limit = RateLimit(2_400, Clock())
    limit.observe(quota)

    assert limit.reserve() == pytest.approx(waits)


@pytest.mark.parametrize("published", [None, 60, 100_000])
def test_an_announced_limit_is_believed(published: int | None) -> None:
    clock = Clock()
    limit = RateLimit(published, clock)
    limit.observe(Quota(1_200))
    times = take(limit, clock, clock.now + 60)

    assert limit.per_minute == 1_200
    assert 1_190 <= len(times) <= 1_203
    assert min(b - a for a, b in pairwise(times[5:])) == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("nonsense", [0, -1])
def test_a_limit_that_would_let_nothing_out_is_not_believed(nonsense: int) -> None:
    limit = RateLimit(60, Clock())
    limit.observe(Quota(nonsense))

    assert limit.per_minute == 60


def test_endpoints_have_their_own_limits() -> None:
    pacer = Pacer({"user": 60, "event": None}, Clock())
    pacer.observe("user", Quota(60, remaining=0, reset_after=9.0))

    assert pacer.limits["user"].reserve() == pytest.approx(9.0)
    assert pacer.limits["event"].reserve() == 0


async def test_a_permit_is_waited_for() -> None:
    clock = Clock()
    pacer = Pacer({"user": 60}, clock)
    for _ in range(2):
        await pacer.permit("user")
        clock.now += 1.0
