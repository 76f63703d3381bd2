"""What the metrics say of a destination's endpoints while it is asked."""

import time
from unittest import mock

from streams import metrics
from tests.streams.delivery.flow import Flow


def shown(name: str, endpoint: str = "call") -> float | None:
    labels = {"destination": "scripted", "endpoint": endpoint}
    return metrics.REGISTRY.get_sample_value(f"mparticle_streams_{name}", labels)


async def test_before_the_first_request_all_is_known_of_every_endpoint() -> None:
    Flow()

    names = ("lanes_waiting", "rate_limit_per_minute", "rate_limit_paused", "circuit_breaker_open")
    told = [shown(name, endpoint) for name in names for endpoint in ("call", "update")]
    assert told == [0, 0, -1, -1, 0, 0, 0, 0]


async def test_an_answer_that_asks_all_to_wait_is_counted() -> None:
    before = shown("rate_limit_throttles_total") or 0
    async with Flow().running() as flow:
        partition = await flow.given(("17", "all wait once"))
        await flow.settled(partition)

    assert shown("rate_limit_throttles_total") == before + 1


async def test_an_endpoint_is_closed_for_as_long_as_it_was_asked_to_wait() -> None:
    now = 1_000.0

    def clock(_: int) -> float:
        return now

    with mock.patch.object(time, "clock_gettime", clock):
        async with Flow().running() as flow:
            await flow.until(lambda: flow.sink.pacer)
            assert flow.sink.pacer is not None
            flow.sink.pacer.limits["call"].close_for(3600.0)
            told = [shown("rate_limit_paused")]
            now += 3600.0
            told.append(shown("rate_limit_paused"))

    assert told == [1, 0]


async def test_lanes_that_wait_for_their_turn_are_counted() -> None:
    async with Flow(connections=1).running() as flow:
        partition = await flow.given(*[(str(user), "hangs") for user in range(5)])
        await flow.until(lambda: flow.sink.requests)
        waiting = shown("lanes_waiting")
        flow.sink.released.set()
        await flow.settled(partition)

    assert (waiting, shown("lanes_waiting")) == (4, 0)


async def test_a_destination_is_down_until_something_passes() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(*[(str(user), "fails twice") for user in range(8)])
        await flow.until(lambda: shown("circuit_breaker_open"))
        await flow.settled(partition)

    assert shown("circuit_breaker_open") == 0
