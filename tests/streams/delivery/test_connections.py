"""How many requests go at once: as many as cost no latency, within bounds."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from streams.delivery.sending.concurrency import Connections
from tests.streams.delivery.simulated_time import now, run

MOST = 32


class Service:
    """Answers after what `seconds` says of the number of requests that it has at once."""

    def __init__(
        self, connections: Connections, seconds: Callable[[int], float], endpoint: str = "user"
    ) -> None:
        self._connections = connections
        self.endpoint = endpoint
        self.seconds = seconds
        self.at_once = self.most_at_once = self.answered = 0

    async def ask(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        started = now()
        await asyncio.sleep(self.seconds(self.at_once))
        self.at_once -= 1
        self.answered += 1
        self._connections.observe(self.endpoint, now() - started)
        self._connections.release(self.endpoint)


async def busy(service: Service, connections: Connections, seconds: float) -> None:
    """Asks whenever it may."""
    under_way = set[asyncio.Task[None]]()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                await connections.acquire(service.endpoint)
                under_way.add(asyncio.create_task(service.ask()))
    await asyncio.gather(*under_way)


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (lambda _: 0.05, 32, 32),
        (lambda at_once: 0.05 if at_once <= 24 else 0.3, 16, 28),
        (lambda at_once: 0.003 * at_once, 16, 28),
    ],
    ids=["always as fast", "slow above 24", "one at a time"],
)
def test_more_go_at_once_while_that_costs_no_latency(
    seconds: Callable[[int], float], least: int, most: int
) -> None:
    async def story() -> int:
        connections = Connections(MOST)
        await busy(Service(connections, seconds), connections, 10)
        return connections.allowed

    assert least <= run(story()) <= most


def test_fewer_go_at_once_when_latency_rises_and_more_when_it_falls_or_is_usual() -> None:
    async def story() -> list[int]:
        connections = Connections(MOST)
        service = Service(connections, lambda _: 0.05)
        await busy(service, connections, 5)
        seen = [connections.allowed]
        service.seconds = lambda _: 0.2
        await busy(service, connections, 1)
        seen.append(connections.allowed)
        await busy(service, connections, 30)
        seen.append(connections.allowed)
        return seen

    assert run(story()) == [32, 16, 32]


@pytest.mark.parametrize("most", [1, 2, 3, 32])
def test_never_more_at_once_than_the_setting_and_never_less_than_half(most: int) -> None:
    async def story() -> tuple[int, int, int]:
        connections = Connections(most)
        service = Service(connections, lambda at_once: 0.01 * at_once**2)
        await busy(service, connections, 10)
        shrunk = connections.allowed
        service.seconds = lambda _: 0.01
        await busy(service, connections, 2)
        return shrunk, connections.allowed, service.most_at_once

    shrunk, grown, most_at_once = run(story())
    assert (most + 1) // 2 <= shrunk <= most
    assert grown == most_at_once == most


def test_while_slots_are_free_nothing_changes_however_slow_answers_are() -> None:
    async def story() -> list[int]:
        connections = Connections(MOST)
        service = Service(connections, lambda _: 0.05)
        await busy(service, connections, 2)
        seen = [connections.allowed]
        for turn in range(500):
            service.seconds = partial(_pause, turn)
            await connections.acquire("user")
            await service.ask()
        return [*seen, connections.allowed]

    assert run(story()) == [MOST, MOST]


def _pause(turn: int, _at_once: int) -> float:
    return 0.01 * (1 + turn % 97)


def test_an_endpoint_that_is_slow_by_nature_is_not_taken_for_a_slower_service() -> None:
    async def story() -> int:
        connections = Connections(MOST)
        service = Service(connections, lambda _: 0.05)
        slow = Service(connections, lambda _: 0.8, endpoint="list")
        await asyncio.gather(busy(service, connections, 10), busy(slow, connections, 10))
        return connections.allowed

    assert run(story()) == MOST


def test_a_slow_endpoint_leaves_connections_to_the_others() -> None:
    async def story() -> tuple[int, int]:
        connections = Connections(MOST)
        slow = Service(connections, lambda _: 3.0, endpoint="event")
        fast = Service(connections, lambda _: 0.05)
        backlog = asyncio.create_task(busy(slow, connections, 30))
        await asyncio.sleep(10)
        before = slow.answered
        await busy(fast, connections, 20)
        seen = fast.answered, slow.answered - before
        await backlog
        return seen

    fast, slow = run(story())
    # What a half of the connections answer, once they are free.
    assert fast == pytest.approx(MOST / 2 / 0.05 * 20, rel=0.15)
    assert slow >= MOST / 2 / 3.0 * (20 - 3)


def test_an_endpoint_has_all_that_the_others_leave_free() -> None:
    async def story() -> int:
        connections = Connections(MOST)
        slow = Service(connections, lambda _: 3.0, endpoint="event")
        await busy(slow, connections, 60)
        return slow.most_at_once

    assert run(story()) == MOST
