"""When a worker tells the others what it wants of a limit, and what it says."""

from dataclasses import dataclass

import pytest

from models.rate_demand import RateDemand
from streams.delivery.rate_limit.demand_exchange import LOOK_SECONDS, Demand
from streams.delivery.rate_limit.limiter import RateLimit

CALL = "user"


@dataclass
class Asked:
    """An endpoint that a test has used."""

    limit: RateLimit
    wanting: int = 0


class Looking:
    """A worker of 600 requests a minute that looks as often as it should."""

    def __init__(self, *, ours: float = 1.0) -> None:
        self.now = 1_000.0
        self.endpoint = Asked(RateLimit(600, self.clock, ours=ours))
        self._demand = Demand({CALL: self.endpoint}, self.clock)

    def clock(self) -> float:
        return self.now

    def look(self, seconds: float, *, a_second: int = 0, written: bool = True) -> list[RateDemand]:
        """What it says in this time, in which so many requests a second go out."""
        said = []
        for turn in range(round(seconds / LOOK_SECONDS)):
            self.endpoint.limit.used += a_second if turn % 4 == 0 else 0
            if (due := self._demand.due()) is not None:
                said.append(due)
                if written:
                    self._demand.record_written(due)
            self.now += LOOK_SECONDS
        return said


def wanted(said: list[RateDemand]) -> list[float]:
    return [each.endpoints[CALL].wanted for each in said]


def test_it_tells_each_second_and_counts_them() -> None:
    said = Looking().look(5)

    assert [each.beat for each in said] == [1, 2, 3, 4, 5]
    assert wanted(said) == [0.0] * 5


def test_it_wants_what_it_uses_and_a_little_more() -> None:
    said = Looking().look(10, a_second=4)

    assert wanted(said)[-1] == pytest.approx(4 * 1.25 * 60 / 600)
    assert said[-1].endpoints[CALL].used == 40


@pytest.mark.parametrize(("ours", "part"), [(1.0, 0.4), (0.5, 0.8), (0.25, 1.0)])
def test_what_waits_for_a_permit_is_wanted_within_a_second(ours: float, part: float) -> None:
    """As a part of what all workers may use."""
    looking = Looking(ours=ours)
    looking.endpoint.wanting = 4

    assert wanted(looking.look(1))[0] == part


def test_much_more_is_told_at_once_without_a_beat() -> None:
    looking = Looking()
    before = looking.look(1 + LOOK_SECONDS)
    looking.endpoint.wanting = 1_000
    at_once = looking.look(LOOK_SECONDS)

    assert [each.beat for each in (*before, *at_once)] == [1, 2, 2]
    assert wanted(at_once) == [1.0]


def test_what_is_no_longer_wanted_is_forgotten_within_seconds() -> None:
    looking = Looking()
    looking.endpoint.wanting = 1_000
    looking.look(1)
    looking.endpoint.wanting = 0
    said = wanted(looking.look(5))

    assert said == sorted(said, reverse=True)
    assert said[-1] < 0.05


def test_what_did_not_reach_kafka_is_no_beat() -> None:
    """Others would seem to have been silent meanwhile."""
    looking = Looking()
    looking.look(1)
    looking.look(10, written=False)

    assert looking.look(LOOK_SECONDS)[0].beat == 2
