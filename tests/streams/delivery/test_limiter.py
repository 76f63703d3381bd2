"""Rate limits on a simulated clock: never more than the ceiling, and all of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.rate_limit.limiter import Pacer, RateLimit
from streams.delivery.rate_limit.quota import Budget, Quota
from tests.streams.properties import SMALL

CEILINGS = st.sampled_from([1, 6, 60, 300, 2_400, 18_000])
# What a bucket may let out at once: a tenth of a second's worth, and the one that is due.
BURST_SECONDS = 0.1
NOON = 1_767_268_800.0


class Clock:
    def __init__(self) -> None:
        self.now = self.began = 1_000.0

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


def told(
    limit: int, remaining: int | None, seconds: float | None = None, took: float = 0.0
) -> Quota:
    """What is said in a minute that ends in so many seconds, at noon by the service's clock."""
    reset_at = None if seconds is None else NOON + seconds
    return Quota(limit, remaining, reset_at, now=NOON, took=took)


@pytest.mark.parametrize(
    ("quota", "waits"),
    [
        (told(600, 0, 20.0), 20.0),
        (told(600, 1, 20.0), 0.0),
        (told(600, 0), 0.0),
        (told(600, None), 0.0),
    ],
)
def test_a_quota_that_is_used_up_closes_until_its_reset(quota: Quota, waits: float) -> None:
    limit = RateLimit(2_400, Clock())
    limit.observe(quota)

    assert limit.reserve() == pytest.approx(waits)
    assert limit.is_paused == (waits > 0)


def test_a_new_minute_begins_with_the_whole_limit_and_has_no_more_if_no_answer_comes() -> None:
    clock = Clock()
    limit = RateLimit(600, clock)
    limit.observe(told(600, 0, 20.0))
    clock.now += 20.1

    assert 590 <= len(take(limit, clock, clock.now + 59.9)) <= 600


@pytest.mark.parametrize(("remaining", "sent"), [(0, 0), (1, 0), (100, 99), (290, 289)])
def test_what_is_left_is_spread_over_what_is_left_of_the_minute(remaining: int, sent: int) -> None:
    clock = Clock()
    limit = RateLimit(600, clock)
    limit.observe(told(600, remaining, 30.0))
    limit.reserve()
    times = told_of_each(limit, clock, remaining - 1, 30.0)

    assert len(times) == pytest.approx(sent, abs=1)
    assert len([time for time in times if time < clock.began + 15]) == pytest.approx(
        sent / 2, rel=0.1, abs=1
    )


def told_of_each(limit: RateLimit, clock: Clock, remaining: int, seconds: float) -> list[float]:
    """Takes what it gets; each permit is a request, and each answer tells what is left."""
    times = []
    until = clock.now + seconds
    while clock.now < until:
        if (delay := limit.reserve()) > 0:
            clock.now += delay + 1e-6
            continue
        times.append(clock.now)
        remaining -= 1
        limit.observe(Quota(600, remaining, NOON + 30.0, now=NOON + int(clock.now - clock.began)))
    return times


def test_after_a_pause_it_catches_up_a_little_faster_than_the_limit() -> None:
    clock = Clock()
    limit = RateLimit(600, clock)
    limit.observe(told(600, 600, 30.0))

    assert len(take(limit, clock, clock.now + 10)) == pytest.approx(110, abs=3)


def test_with_a_share_the_rest_of_the_limit_is_left_to_others() -> None:
    clock = Clock()
    limit = RateLimit(600, clock, ours=0.25)
    limit.observe(told(600, 600, 30.0))

    assert len(take(limit, clock, clock.now + 20)) == pytest.approx(50, abs=3)
    assert limit.share == 150


def test_what_is_in_flight_is_taken_for_not_yet_counted() -> None:
    waits = []
    for in_flight in (4, 5):
        limit = RateLimit(600, Clock())
        limit.observe(told(600, 5, 1.0))
        limit.in_flight = in_flight
        waits.append(limit.reserve() > 0)

    assert waits == [False, True]


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 1), st.floats(0.001, 5)), min_size=1),
)
@SMALL
def test_the_services_clock_is_known_to_within_the_time_an_answer_takes(
    behind: float, answers: list[tuple[float, float, float]]
) -> None:
    """Whatever the clocks say, and wherever in that time the service made its answer."""
    budget, now = Budget(), 1e6
    for took, made_after, pause in answers:
        now += took
        there = now - took * (1 - made_after) - behind
        reset = (there // 60 + 1) * 60
        budget.observe(Quota(600, 300, reset, now=there // 1, took=took), now)
        left = budget.left(now)
        assert left is not None
        wrong = (left.seconds - (reset + behind - now) + 30) % 60 - 30
        # The header's seconds are whole, so the first answers leave open where in one of them.
        assert -took - 1e-3 <= wrong <= took + 1 + 1e-3
        now += pause


def test_answers_that_overtake_each_other_raise_nothing() -> None:
    limit = RateLimit(600, Clock())
    for remaining in (0, 3):
        limit.observe(told(600, remaining, 20.0))

    assert limit.is_paused


@pytest.mark.parametrize(
    ("after", "minute", "waits"),
    [(None, None, 1.0), (7.0, None, 7.0), (7.0, 3.0, 3.0), (7.0, 30.0, 7.0), (None, 30.0, 1.0)],
)
def test_a_refusal_closes_for_as_long_as_is_said_but_not_beyond_the_minute(
    after: float | None, minute: float | None, waits: float
) -> None:
    limit = RateLimit(600, Clock())
    if minute is not None:
        limit.observe(told(600, 100, minute))
    limit.record_refusal(after)

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


ODD_RESETS = {
    "milliseconds": NOON * 1000,
    "an hour ahead": NOON + 3600,
    "seconds to wait": 42.0,
    "long past": NOON - 61,
    "beyond the minute": NOON + 66,
}


@pytest.mark.parametrize("reset", ODD_RESETS.values(), ids=ODD_RESETS.keys())
@pytest.mark.parametrize("remaining", [0, 5, 299])
def test_a_reset_outside_the_services_own_minute_neither_stops_nor_slows(
    reset: float, remaining: int
) -> None:
    clock = Clock()
    limit = RateLimit(18_000, clock)
    limit.observe(Quota(18_000, remaining, reset, now=NOON))

    assert limit.ignored == {"reset": 1}
    assert len(take(limit, clock, clock.now + 60)) >= 17_900


def test_a_reset_without_a_date_to_judge_it_by_is_ignored() -> None:
    limit = RateLimit(600, Clock())
    limit.observe(Quota(600, 0, NOON + 20))

    assert limit.reserve() == 0
    assert limit.ignored == {"reset": 1}


@pytest.mark.parametrize("minute", ["known", "not known"])
def test_no_limit_is_believed_that_is_below_what_passes_without_a_refusal(minute: str) -> None:
    clock = Clock()
    limit = RateLimit(6_000, clock)
    if minute == "known":
        limit.observe(told(6_000, 6_000, 60.0))
    for _ in take(limit, clock, clock.now + 50):
        limit.record_success()
    limit.observe(Quota(300))

    assert limit.per_minute == 6_000
    assert limit.ignored == {"limit": 1}

    limit.record_refusal(None)
    limit.observe(Quota(300))

    assert limit.per_minute == 300, "a refusal proves that it was too much"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 32))
@SMALL
def test_what_is_proved_is_never_more_than_the_service_counts_in_one_minute(
    pauses: list[int], in_flight: int
) -> None:
    """A limit that is kept to is never doubted, however requests fall into its minutes."""
    clock = Clock()
    limit = RateLimit(600, clock)
    waiting: list[float] = []
    counted: dict[int, int] = {}
    for pause in pauses:
        clock.now += pause
        for _ in range(100):
            sent = int(clock.now // 60)
            if counted.get(sent, 0) >= 600:
                break
            counted[sent] = counted.get(sent, 0) + 1
            waiting.append(clock.now)
            limit.in_flight += 1
            clock.now += 0.01
            if len(waiting) > in_flight:
                waiting.pop(0)
                limit.record_success()
                limit.in_flight -= 1
        limit.observe(Quota(600))
    assert limit.ignored == {}


def test_a_limit_that_is_closed_for_more_than_a_minute_is_told() -> None:
    clock = Clock()
    limit = RateLimit(600, clock)
    limit.record_refusal(30.0)
    assert limit.closed_for_long is None

    clock.now += 31
    limit.record_refusal(40.0)
    assert limit.closed_for_long == pytest.approx(40.0)

    clock.now += 41
    assert limit.closed_for_long is None, "it is open"
    limit.record_success()
    limit.record_refusal(30.0)
    assert limit.closed_for_long is None

    limit.close_for(3_600)
    assert limit.closed_for_long == pytest.approx(3_600)


@pytest.mark.parametrize("nonsense", [0, -1])
def test_a_limit_that_would_let_nothing_out_is_not_believed(nonsense: int) -> None:
    limit = RateLimit(60, Clock())
    limit.observe(Quota(nonsense))

    assert limit.per_minute == 60


def test_endpoints_have_their_own_limits() -> None:
    pacer = Pacer({"user": 60, "event": None}, Clock())
    pacer.observe("user", told(60, 0, 9.0))

    assert pacer.limits["user"].reserve() == pytest.approx(9.0)
    assert pacer.limits["event"].reserve() == 0


async def test_a_permit_is_waited_for() -> None:
    clock = Clock()
    limit = RateLimit(60, clock)
    for _ in range(2):
        await limit.permit()
        clock.now += 1.0
