"""From the log to the destination's yes, one at a time through idle workers: P5 and A2."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory

from sandbox.ab_tasty import AbTasty
from sandbox.kafka import Kafka
from sandbox.sailthru import Options, Sailthru
from sandbox.server import Service, running
from streams.kafka.batch_writer import Outgoing
from streams.topics import RAW
from tests.benchmarks.events import memberships
from tests.benchmarks.log import Log
from tests.benchmarks.messages import one_record
from tests.benchmarks.observed import observed
from tests.benchmarks.processes import Subject, ab_tasty_settings, sailthru_settings
from tests.benchmarks.results import Result, at_most
from tests.streams import cluster

_MESSAGES = 150
_PAUSE_SECONDS = (0.02, 0.15)
_ANSWER_SECONDS = 60.0
_EVER = 10**9

Taken = asyncio.Queue[float]
Write = Callable[[int], Outgoing]


async def event(broker: Kafka, rounds: int, messages: int = _MESSAGES) -> list[Result]:
    """P5: the time includes writing the raw message, as a client of Kafka sees it."""
    service = Sailthru(Options(factor=50))
    async with _world(broker, service, "POST event") as (log, taken, url, subjects):
        await subjects.enter_async_context(_worker(log, "router"))
        await subjects.enter_async_context(_worker(log, "sailthru", **sailthru_settings(url)))
        raw = log.kafka.topic(RAW.name)

        def write(number: int) -> Outgoing:
            message = one_record(number)
            return Outgoing(raw, message.key or b"", message.value, [])

        spent = await _rounds(log, taken, write, rounds, messages)
    return _results("P5", "idle, one event at a time", "raw to accepted", spent, p50=50)


async def membership(broker: Kafka, rounds: int, messages: int = _MESSAGES) -> list[Result]:
    """A2: from the router's topic on, which is what AB Tasty's worker adds."""
    service = AbTasty()
    async with _world(broker, service, "POST segments") as (log, taken, url, subjects):
        await subjects.enter_async_context(_worker(log, "ab-tasty", **ab_tasty_settings(url)))

        def write(number: int) -> Outgoing:
            return next(memberships(log.kafka, range(number, number + 1), pairs=_EVER))

        spent = await _rounds(log, taken, write, rounds, messages)
    return _results("A2", "idle, one change at a time", "change to accepted", spent)


@asynccontextmanager
async def _world(
    broker: Kafka, service: Service, endpoint: str
) -> AsyncIterator[tuple[Log, Taken, str, AsyncExitStack]]:
    taken = Taken()
    app = observed(service, endpoint, lambda *_: taken.put_nowait(time.monotonic()))
    async with (
        Log.on(broker, partitions=4) as log,
        running(app) as url,
        AsyncExitStack() as subjects,
    ):
        yield log, taken, url, subjects


@asynccontextmanager
async def _worker(log: Log, name: str, **settings: str) -> AsyncIterator[Subject]:
    with TemporaryDirectory() as directory:
        async with Subject("worker", Path(directory), log.kafka, name, **settings) as worker:
            yield worker


async def _rounds(
    log: Log, taken: Taken, write: Write, rounds: int, messages: int
) -> list[list[float]]:
    await _milliseconds(log, taken, write, range(3))  # all have joined, all is loaded
    return [
        await _milliseconds(log, taken, write, range(start, start + messages))
        for start in range(1_000, 1_000 * (rounds + 1), 1_000)
    ]


async def _milliseconds(log: Log, taken: Taken, write: Write, numbers: range) -> list[float]:
    rng = Random(numbers.start)
    spent = []
    async with cluster.producing(log.kafka) as producer:
        for number in numbers:
            await asyncio.sleep(rng.uniform(*_PAUSE_SECONDS))
            out = write(number)
            started = time.monotonic()
            await producer.send_and_wait(out.topic, out.value, out.key, headers=out.headers)
            async with asyncio.timeout(_ANSWER_SECONDS):
                spent.append((await taken.get() - started) * 1000)
    return spent


def _results(
    row: str, case: str, what: str, spent: list[list[float]], p50: float | None = None
) -> list[Result]:
    cuts = [quantiles(each, n=100) for each in spent]
    target = None if p50 is None else at_most(p50)
    return [
        Result(row, case, f"{what}, p50", "ms", [each[49] for each in cuts], target),
        Result(row, case, f"{what}, p99", "ms", [each[98] for each in cuts], at_most(250)),
    ]
