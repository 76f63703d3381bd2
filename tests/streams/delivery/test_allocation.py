"""How a limit is divided among workers: all of it, never more, and something for everybody."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.rate_demand import EndpointDemand, RateDemand
from streams.delivery.rate_limit.allocation import Shares, split
from tests.streams.properties import SMALL

CALL = "user"
PARTS = st.floats(0, 1)
WORKERS = ("a", "b", "c")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def wants(part: float, *, beat: int = 1, used: int = 0) -> RateDemand:
    return RateDemand(beat=beat, endpoints={CALL: EndpointDemand(wanted=part, used=used)})


# The division.


@pytest.mark.parametrize(
    ("wanted", "shares"),
    [
        ({}, {}),
        ({"a": 0.0}, {"a": 1.0}),
        ({"a": 1.0}, {"a": 1.0}),
        ({"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 0.5}),
        # Who wants little gets it, and the rest is the other's.
        ({"a": 1.0, "b": 0.2}, {"a": 0.8, "b": 0.2}),
        ({"a": 1.0, "b": 0.1, "c": 1.0, "d": 0.3}, {"a": 0.3, "b": 0.1, "c": 0.3, "d": 0.3}),
        # Who wants nothing can start.
        ({"a": 1.0, "b": 0.0}, {"a": 0.975, "b": 0.025}),
        # What nobody wants is everybody's.
        ({"a": 0.5, "b": 0.1}, {"a": 0.7, "b": 0.3}),
    ],
)
def test_a_limit_is_divided_by_demand(wanted: dict[str, float], shares: dict[str, float]) -> None:
    assert split(wanted) == pytest.approx(shares)


@pytest.mark.parametrize(
    "wanted", ["NaN", '"NaN"', "Infinity", "-Infinity", "1e400", "-0.1", "1.1"]
)
def test_what_is_no_part_of_a_limit_is_nobodys_demand(wanted: str) -> None:
    """A share of it would be no number either, and so the rate of every worker."""
    said = f'{{"beat": 1, "endpoints": {{"event": {{"wanted": {wanted}, "used": 1}}}}}}'
    with pytest.raises(ValidationError):
        RateDemand.model_validate_json(said)


@given(st.dictionaries(st.text(max_size=3), PARTS, min_size=1, max_size=20))
@SMALL
def test_a_division_gives_all_of_it_and_leaves_out_nobody(wanted: dict[str, float]) -> None:
    shares = split(wanted)
    even = 1 / len(wanted)

    assert shares.keys() == wanted.keys()
    assert sum(shares.values()) == pytest.approx(1)
    for worker, want in wanted.items():
        assert shares[worker] >= min(max(want, even / 20), even) - 1e-9


# One log, read by everybody at his own pace.


@dataclass
class Reader:
    """A worker, how far it has read, and what it says next."""

    name: str
    clock: Clock
    read: int = 0
    beat: int = 0
    shares: Shares = field(init=False)

    def __post_init__(self) -> None:
        self.shares = Shares(self.name, lambda: 1 / len(WORKERS), self.clock)


# A worker says what it wants (or farewell), or reads on, and then time passes.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "read", "read", "leave"]),
        st.sampled_from(WORKERS),
        PARTS,
        st.floats(0, 0.4),
    ),
    max_size=80,
)


@given(STEPS)
@SMALL
def test_together_workers_never_use_more_than_the_limit_however_they_read(
    steps: list[tuple[str, str, float, float]],
) -> None:
    """Each has read what is a second old; nothing else is known of how they read."""
    clock = Clock()
    log: list[tuple[float, str, RateDemand | None]] = []
    readers = {name: Reader(name, clock) for name in WORKERS}
    for what, name, part, pause in steps:
        if what == "read":
            _read(readers[name], log, len(log))
        elif what == "leave":
            log.append((clock.now, name, None))
        else:
            readers[name].beat += 1
            log.append((clock.now, name, wants(part, beat=readers[name].beat)))
        clock.now += pause
        for reader in readers.values():
            _read(reader, log, sum(at <= clock.now - 0.999 for at, _, _ in log))
        used = [each.shares.share(CALL) for each in readers.values() if each.shares.silence <= 5]
        assert sum(used) <= 1 + 1e-9


def _read(reader: Reader, log: list[tuple[float, str, RateDemand | None]], end: int) -> None:
    for _, worker, demand in log[reader.read : end]:
        reader.shares.record_demand(worker, demand)
    reader.read = max(reader.read, end)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shares(clock: Clock) -> Shares:
    return Shares("a", lambda: 0.25, clock)


def test_a_worker_uses_nothing_before_all_can_have_heard_of_it(
    shares: Shares, clock: Clock
) -> None:
    seen = [shares.share(CALL)]
    shares.record_demand("a", wants(0.1))
    seen.append(shares.share(CALL))
    clock.now += 1.0
    seen.append(shares.share(CALL))

    assert seen == [0, 0, 1]


def test_a_share_shrinks_at_once_and_grows_a_second_later(shares: Shares, clock: Clock) -> None:
    shares.record_demand("a", wants(1))
    clock.now += 1.0
    shares.record_demand("b", wants(1))
    seen = [shares.share(CALL)]
    shares.record_demand("b", None)
    clock.now += 0.9
    seen.append(shares.share(CALL))
    clock.now += 0.1
    seen.append(shares.share(CALL))

    assert seen == [0.5, 0.5, 1.0]


def test_a_worker_is_gone_when_another_has_told_five_times_since(
    shares: Shares, clock: Clock
) -> None:
    shares.record_demand("b", wants(1))
    counts = []
    for beat in range(1, 8):
        shares.record_demand("a", wants(1, beat=beat))
        shares.record_demand(
            "a", wants(1, beat=beat)
        )  # word between the beats says nothing of time
        counts.append(shares.workers)

    assert counts == [2, 2, 2, 2, 2, 1, 1]


def test_a_worker_that_tells_stays_whatever_its_beats_say(shares: Shares) -> None:
    for beat in range(1, 20):
        shares.record_demand("a", wants(1, beat=beat + 100))
        shares.record_demand("b", wants(1, beat=beat % 4))

    assert shares.workers == 2


def test_without_word_from_kafka_the_shares_stay_and_then_are_those_of_the_partitions(
    shares: Shares, clock: Clock
) -> None:
    """What others use is not known any more: it would be taken for somebody else's use."""
    for each in ("a", "b"):
        shares.record_demand(each, wants(1 if each == "a" else 0))
    clock.now += 4.9
    seen = [shares.share(CALL)]
    clock.now += 0.2
    seen.append(shares.share(CALL))

    assert seen == [pytest.approx(0.975), 0.25]
    assert shares.used_by_others(CALL) is None


def test_one_who_never_hears_anything_uses_what_it_has_of_the_partitions(
    shares: Shares, clock: Clock
) -> None:
    clock.now += 5.1

    assert shares.share(CALL) == 0.25


def test_what_the_others_use_is_what_they_say_more_than_before(shares: Shares) -> None:
    for worker, used in (("b", 1_000), ("b", 1_010), ("c", 5), ("a", 70), ("a", 80), ("c", 7)):
        shares.record_demand(worker, wants(1, used=used))
    shares.record_demand("b", wants(1, used=0))  # it has started again
    shares.record_demand("b", wants(1, used=3))

    assert shares.used_by_others(CALL) == 15
