"""C1: what adapting the requests in flight brings, beside a fixed number, in simulated time.

There is always something to be sent. The destinations answer in 100 ms each of so many at once, and
beyond that in one of three ways.
"""

import asyncio
from collections.abc import Callable, Mapping
from statistics import mean
from types import MappingProxyType
from typing import NamedTuple, Protocol

from sandbox.kafka import Kafka
from streams.delivery.sending.concurrency import Connections
from tests.benchmarks.results import Result, at_least
from tests.streams.delivery import simulated_time
from tests.streams.delivery.simulated_time import now

_MOST = 32
_SENDERS = 64
_SECONDS = 300.0
_ANSWER_SECONDS = 0.1
_ROOM = 20


class Service(NamedTuple):
    """A destination by the seconds of an answer, with so many requests in flight."""

    case: str
    seconds: Callable[[int], float]
    least: float
    """The fewest answers that adapting may bring for one of a fixed number."""


def _ample(_: int) -> float:
    return _ANSWER_SECONDS


def _queueing(in_flight: int) -> float:
    """Works on so many at once, and lets the others wait."""
    return _ANSWER_SECONDS * max(1.0, in_flight / _ROOM)


def _thrashing(in_flight: int) -> float:
    """Does less, the more it is asked: twice too many take it four times as long."""
    return _ANSWER_SECONDS * max(1.0, in_flight / _ROOM) ** 3


SERVICES = (
    Service("room for all", _ample, 0.98),
    Service(f"more than {_ROOM} wait for each other", _queueing, 0.98),
    Service(f"more than {_ROOM} hinder each other", _thrashing, 1.5),
)


class Slots(Protocol):
    async def acquire(self, endpoint: str) -> None: ...
    def release(self, endpoint: str) -> None: ...
    def observe(self, endpoint: str, seconds: float) -> None: ...


class _Fixed(Slots):
    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def acquire(self, endpoint: str) -> None:
        await self._free.acquire()

    def release(self, endpoint: str) -> None:
        self._free.release()

    def observe(self, endpoint: str, seconds: float) -> None:
        """Nothing: it is fixed."""


class Seen(NamedTuple):
    """Answers a second, and the mean seconds that one took."""

    rate: float
    seconds: float


_SLOTS: Mapping[str, Callable[[int], Slots]] = MappingProxyType(
    {"adapted": Connections, "fixed": _Fixed}
)


async def run(_broker: Kafka, _rounds: int) -> list[Result]:
    return await asyncio.to_thread(measure)


def measure(seconds: float = _SECONDS) -> list[Result]:
    """Nothing is left to chance, so that one round is enough."""
    results = []
    for service in SERVICES:
        seen = {
            name: simulated_time.run(_sending(make(_MOST), service, seconds))
            for name, make in _SLOTS.items()
        }
        adapted, fixed = seen["adapted"], seen["fixed"]
        what = "adapted / fixed: answers a second"
        rate, wait = adapted.rate / fixed.rate, adapted.seconds / fixed.seconds
        results += [
            Result("C1", service.case, what, "ratio", [rate], at_least(service.least)),
            Result("C1", service.case, "adapted / fixed: time of an answer", "ratio", [wait]),
        ]
    return results


async def _sending(slots: Slots, service: Service, seconds: float) -> Seen:
    in_flight = 0
    taken: list[float] = []

    async def send() -> None:
        nonlocal in_flight
        while True:
            await slots.acquire("user")
            in_flight += 1
            began = now()
            await asyncio.sleep(service.seconds(in_flight))
            in_flight -= 1
            slots.observe("user", now() - began)
            slots.release("user")
            taken.append(now() - began)

    senders = [asyncio.create_task(send()) for _ in range(_SENDERS)]
    await asyncio.sleep(seconds)
    for sender in senders:
        sender.cancel()
    return Seen(len(taken) / seconds, mean(taken))
