"""P3: how near the order per user lets a sink come to the best possible."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord

from sandbox.kafka import Kafka
from streams.delivery.policy import DeliveryPolicy
from streams.outcomes import Delivered, Outcome
from streams.topics import EVENTS
from tests.benchmarks.results import Result, Target, at_most, ratios
from tests.streams.delivery.flow import Flow
from tests.streams.delivery.scripted import Request, ScriptedSink
from tests.streams.records import event_source

_RECORDS = 10_000
_USERS = 100
# Whole milliseconds: an event loop's timers know no others.
_MOST_MS = 5


class _Handler(ScriptedSink):
    """Takes as long as the event's name says, in milliseconds; one record a request."""

    def __init__(self, records: int) -> None:
        super().__init__(most=1)
        self._left = records
        self.done = asyncio.Event()

    async def send(self, request: Request) -> Outcome:
        (record,) = request.records
        await asyncio.sleep(int(record.name) / 1000)
        self._left -= 1
        if not self._left:
            self.done.set()
        return Delivered()


class _Load(NamedTuple):
    """Milliseconds that each user's records take, in order, and the records in theirs."""

    by_user: dict[str, list[int]]
    records: Sequence[ConsumerRecord]

    @classmethod
    def drawn(cls, rng: Random, skew: float, count: int) -> "_Load":
        """Zipf's law: the n-th user has a share of 1 / n to the power of `skew`."""
        weights = list(accumulate(1 / rank**skew for rank in range(1, _USERS + 1)))
        users = [f"user-{n}" for n in rng.choices(range(_USERS), cum_weights=weights, k=count)]
        by_user = defaultdict[str, list[int]](list)
        records = []
        for offset, user in enumerate(users):
            ms = rng.randint(0, _MOST_MS)
            by_user[user].append(ms)
            records.append(event_source(user, str(ms), offset))
        return cls(dict(by_user), records)

    @property
    def best(self) -> float:
        """Seconds of the user who takes longest: all others fit beside him."""
        return max(map(sum, self.by_user.values())) / 1000

    @property
    def one_at_a_time(self) -> float:
        return sum(map(sum, self.by_user.values())) / 1000


async def run(_broker: Kafka, rounds: int) -> list[Result]:
    """One at a time and the best possible are sums of what the handler is to take.

    It takes longer, since an event loop's timers are late. So a plain task a user, which does
    nothing but wait, is as near to the best possible as anything can come here.
    """
    return [
        *await compared("100 users, Zipf 1.0", 1.0, rounds, target=at_most(1.15)),
        *await compared("100 users, all alike", 0.0, rounds),
    ]


async def compared(
    case: str, skew: float, rounds: int, *, records: int = _RECORDS, target: Target | None = None
) -> list[Result]:
    loads = [_Load.drawn(Random(number), skew, records) for number in range(rounds)]
    best = [load.best for load in loads]
    ours, plain = [], []
    for load in loads:
        ours.append(await _delivered(load))
        plain.append(await _plain(load))
    alone = [load.one_at_a_time for load in loads]
    return [
        ratios("P3", case, "delivery / a plain task a user: seconds", ours, plain, target),
        ratios("P3", case, "delivery / best possible: seconds", ours, best),
        ratios("P3", case, "one at a time / delivery: seconds", alone, ours),
    ]


async def _delivered(load: _Load) -> float:
    handler = _Handler(len(load.records))
    flow = Flow(connections=_USERS, destination=handler, topics=(EVENTS,), policy=DeliveryPolicy())
    async with flow.running():
        partition = await flow.assign()
        started = time.perf_counter()
        await flow.accept(partition, load.records)
        await handler.done.wait()
        return time.perf_counter() - started


async def _plain(load: _Load) -> float:
    async def one(user: Sequence[int]) -> None:
        for ms in user:
            await asyncio.sleep(ms / 1000)

    started = time.perf_counter()
    await asyncio.gather(*map(one, load.by_user.values()))
    return time.perf_counter() - started
