"""S4: ten minutes without an answer and 100,000 records waiting, in a time that is simulated."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from unittest.mock import patch

from aiokafka.structs import ConsumerRecord

from sandbox.kafka import Kafka
from streams.delivery.policy import DeliveryPolicy
from streams.outcomes import Delivered, Outcome, RetryRecord
from streams.topics import EVENTS
from tests.benchmarks.results import Result, at_most
from tests.streams.delivery import simulated_time
from tests.streams.delivery.flow import Flow
from tests.streams.delivery.scripted import Request, ScriptedSink
from tests.streams.delivery.simulated_time import now
from tests.streams.records import event_source

_USERS = 1_000
_RECORDS = 100_000
_CEILING = 300
_LATENCY_SECONDS = 0.02
_AFTERWARDS_SECONDS = 30
_DOWN_SECONDS = 600.0
_FULL = 0.95
_MS = 1000


@dataclass(slots=True)
class _Seen:
    """Simulated seconds of all requests, and of those that passed; offsets by user, as passed."""

    asked: list[float] = field(default_factory=list)
    passed: list[float] = field(default_factory=list)
    offsets: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


class _Away(ScriptedSink):
    """Answers nobody until the outage is over; one record a request."""

    def __init__(self, seen: _Seen) -> None:
        super().__init__(most=1)
        self.limits = {"call": _CEILING * 60}
        self._seen = seen

    async def send(self, request: Request) -> Outcome:
        self._seen.asked.append(now())
        await asyncio.sleep(_LATENCY_SECONDS)
        if now() < _DOWN_SECONDS:
            return RetryRecord("server_error")
        self._seen.passed.append(now())
        for record in request.records:
            self._seen.offsets[record.mpid].append(int(record.id.rpartition("/")[2]))
        return Delivered()


async def run(_broker: Kafka | None, _rounds: int, *, records: int = _RECORDS) -> list[Result]:
    """Once: simulated time has no noise. It has a thread, since a loop of its own needs one."""
    seen = await asyncio.to_thread(_simulated, records)
    down = [at for at in seen.asked if at < _DOWN_SECONDS]
    disorder = sum(
        earlier > later for each in seen.offsets.values() for earlier, later in pairwise(each)
    )
    case = f"10 minutes down, {records:,} waiting"
    return [
        Result("S4", case, "requests while down", "1/s", [len(down) / _DOWN_SECONDS], at_most(1)),
        Result("S4", case, "until the full rate", "s", [_until_full(seen.passed)], at_most(10)),
        Result("S4", case, "records of a user out of order", "1", [disorder], at_most(0)),
    ]


def _until_full(passed: Sequence[float]) -> float:
    """Seconds after the outage until one in which nearly as many passed as the ceiling permits."""
    by_second = defaultdict[int, int](int)
    for at in passed:
        by_second[int(at - _DOWN_SECONDS)] += 1
    full = (second for second, count in sorted(by_second.items()) if count >= _FULL * _CEILING)
    return float(next(full, _AFTERWARDS_SECONDS))


def _simulated(records: int) -> _Seen:
    seen = _Seen()
    simulated_time.run(_story(seen, records))
    return seen


async def _story(seen: _Seen, records: int) -> None:
    with patch.object(time, "clock_gettime", lambda _: now()):
        flow = Flow(
            connections=32, destination=_Away(seen), topics=(EVENTS,), policy=DeliveryPolicy()
        )
        async with flow.running():
            partition = await flow.assign()
            await flow.accept(partition, list(_waiting(records)))
            await asyncio.sleep(_DOWN_SECONDS + _AFTERWARDS_SECONDS - now())


def _waiting(records: int) -> Iterator[ConsumerRecord]:
    for offset in range(records):
        yield event_source(f"user-{offset % _USERS}", "passes", offset)
