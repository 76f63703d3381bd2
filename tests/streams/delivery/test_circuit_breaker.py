"""When an endpoint counts as failing, and when nothing but probes goes out."""

from structlog.testing import capture_logs

from streams.delivery.policy import BreakerPolicy
from streams.delivery.sending.circuit_breaker import CircuitBreaker
from streams.delivery.sink import LaneKey


def lanes(count: int) -> list[LaneKey]:
    return [LaneKey("call", str(number)) for number in range(count)]


def breaker() -> CircuitBreaker:
    return CircuitBreaker("call", BreakerPolicy())


def test_four_lanes_that_fail_are_no_outage_and_five_are() -> None:
    seen, ours = [], breaker()
    for lane in lanes(5):
        ours.record_failure(lane)
        ours.record_failure(lane)
        seen.append(ours.is_open)
    ours.record_success(0.0)

    assert seen == [False, False, False, False, True]
    assert not ours.is_open


def test_where_there_are_few_lanes_five_failures_in_a_row_are_told_all_the_same() -> None:
    seen, ours = [], breaker()
    with capture_logs() as lines:
        for lane in (*lanes(2), *lanes(2), *lanes(2)):
            ours.record_failure(lane)
            seen.append((ours.is_failing, len(lines)))
        ours.record_success(0.0)
        seen.append((ours.is_failing, len(lines)))

    no = (False, 0)
    assert seen == [no, no, no, no, (True, 1), (True, 1), (False, 2)]
    assert [line["event"] for line in lines] == ["circuit_breaker_opened", "circuit_breaker_closed"]


def test_an_outage_that_is_announced_is_one_at_once() -> None:
    ours = breaker()
    ours.record_outage()

    assert ours.is_failing
