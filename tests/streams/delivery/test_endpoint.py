"""Whose turn it is, how many go at once, and what happens while nothing passes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from streams.delivery.lane import Lane
from streams.delivery.rate_limit.limiter import RateLimit
from streams.delivery.sending.circuit_breaker import Gate
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.endpoint import Endpoint
from streams.delivery.sink import LaneKey
from streams.outcomes import Blocked
from tests.streams.delivery import simulated_time
from tests.streams.delivery.endpoints import Send, endpoint_of
from tests.streams.delivery.flow import AT_ONCE, some_turns

HOUR = 3600.0


def lanes(count: int) -> list[Lane]:
    return [Lane(LaneKey("call", str(number))) for number in range(count)]


class Sent:
    """What was sent, and a gate that lets sends end."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()

    async def __call__(self, lane: Lane) -> None:
        self.lanes.append(lane)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.gate.wait()
        self.at_once -= 1


@asynccontextmanager
async def running(
    send: Send,
    *,
    connections: int = 10,
    limit: RateLimit | None = None,
    gate: Gate | None = None,
    may_send: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Endpoint]:
    endpoint = endpoint_of(
        send,
        limit or RateLimit(None),
        Connections(connections),
        gate=gate,
        may_send=may_send,
        policy=AT_ONCE,
    )
    task = asyncio.create_task(endpoint.run())
    try:
        yield endpoint
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_lanes_have_their_turns_in_the_order_in_which_they_became_ready() -> None:
    sent, waiting = Sent(), lanes(5)
    sent.gate.set()
    async with running(sent, connections=1) as endpoint:
        for lane in waiting:
            endpoint.ready(lane)
        await some_turns()

    assert sent.lanes == waiting


async def test_no_more_are_sent_at_once_than_are_allowed() -> None:
    """At first half of the connections; see test_connections.py."""
    sent = Sent()
    async with running(sent, connections=6) as endpoint:
        for lane in lanes(10):
            endpoint.ready(lane)
        await some_turns()
        sent.gate.set()
        await some_turns()

    assert sent.most_at_once == 3
    assert len(sent.lanes) == 10


@pytest.mark.parametrize("trouble", ["down", "blocked"])
async def test_in_trouble_one_request_at_a_time_probes(trouble: str) -> None:
    sent, gate = Sent(), Gate("scripted")
    async with running(sent, gate=gate) as endpoint:
        if trouble == "blocked":
            gate.block("call", LaneKey("call", "17"), Blocked("bad_key", "Set SCRIPTED_KEY."))
        for failing in lanes(5 if trouble == "down" else 0):
            endpoint.breaker.record_failure(failing.key)
        for lane in lanes(10):
            endpoint.ready(lane)
        await some_turns()

        assert len(sent.lanes) == 1

        endpoint.record_success(0.0)
        sent.gate.set()
        await some_turns()

    assert len(sent.lanes) == 10


async def test_one_that_is_held_sends_nothing_and_does_not_spin() -> None:
    sent = Sent()
    gate = Gate("scripted")
    gate.hold(Blocked("too_many_rejections", "Look at SCRIPTED_COLOURS."))
    async with running(sent, gate=gate) as endpoint:
        for lane in lanes(3):
            endpoint.ready(lane)
        await some_turns()

    assert sent.lanes == []


async def test_nothing_is_sent_while_the_limit_is_closed() -> None:
    sent, limit = Sent(), RateLimit(None)
    limit.close_for(HOUR)
    async with running(sent, limit=limit) as endpoint:
        endpoint.ready(*lanes(1))
        await some_turns()

    assert sent.lanes == []


async def test_nothing_is_sent_by_one_who_may_no_longer_be_a_member_of_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent, sure = Sent(), asyncio.Event()
    async with running(sent, may_send=sure.is_set) as endpoint:
        endpoint.ready(*lanes(1))
        await some_turns()
        before = list(sent.lanes)
        sure.set()
        await some_turns()

    assert (len(before), len(sent.lanes)) == (0, 1)


def test_a_lane_that_failed_comes_back_behind_those_that_are_ready() -> None:
    sent, (failed, other) = Sent(), lanes(2)
    sent.gate.set()

    async def story() -> None:
        async with running(sent, connections=1) as endpoint:
            endpoint.ready_later(failed, None)
            endpoint.ready(other)
            await asyncio.sleep(HOUR)

    simulated_time.run(story())
    assert sent.lanes == [other, failed]


def test_a_lane_waits_as_long_as_the_destination_asked() -> None:
    sent, (lane,) = Sent(), lanes(1)

    async def story() -> int:
        async with running(sent) as endpoint:
            endpoint.ready_later(lane, HOUR)
            await asyncio.sleep(HOUR - 1)
            before = len(sent.lanes)
            await asyncio.sleep(HOUR)
        return before

    assert simulated_time.run(story()) == 0
    assert sent.lanes == [lane]


def test_closing_forgets_who_waits_and_names_what_is_under_way() -> None:
    sent, (under_way, ready, later) = Sent(), lanes(3)

    async def story() -> int:
        async with running(sent, connections=1) as endpoint:
            endpoint.ready(under_way)
            await some_turns()
            endpoint.ready(ready)
            endpoint.ready_later(later, None)
            sends = endpoint.close()
            sent.gate.set()
            await asyncio.wait(sends)
            await asyncio.sleep(HOUR)
        return len(sends)

    assert simulated_time.run(story()) == 1
    assert sent.lanes == [under_way]


async def test_a_lane_that_is_ready_after_a_close_is_sent() -> None:
    sent, (lane,) = Sent(), lanes(1)
    async with running(sent) as endpoint:
        endpoint.close()
        endpoint.ready(lane)
        await some_turns()

    assert sent.lanes == [lane]


async def test_what_a_send_raises_ends_it() -> None:
    async def broken(lane: Lane) -> None:
        raise ZeroDivisionError

    endpoint = endpoint_of(broken, RateLimit(None), Connections(1))
    endpoint.ready(*lanes(1))

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(60):
            await endpoint.run()
    assert raised.group_contains(ZeroDivisionError)
