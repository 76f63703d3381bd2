"""How much of Sailthru's ceiling is filled, over real HTTP and real minutes: S1, S5, S6, S7."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from cli.demo.figures import Figures
from sandbox.kafka import Kafka
from sandbox.sailthru import Sailthru
from sandbox.server import RefusedError, running
from tests.benchmarks.events import updates
from tests.benchmarks.log import Log
from tests.benchmarks.meter import Readings
from tests.benchmarks.processes import Subject, sailthru_settings
from tests.benchmarks.results import Result, at_least, at_most

_USERS = 10_000
# More than folding lets 300 requests a second carry.
_RECORDS_A_SECOND = 3_000
_ENDPOINT = "POST user"
_SECONDS = 60.0
_SETTLE_SECONDS = 5.0
# Sharing begins when each has heard of all others, and what a worker reads at its start is past.
_SETTLE_TOGETHER_SECONDS = 15.0
# A window ends so much before its minute does, not to have a part of the next.
_TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Case:
    """A share of the backlog is in the first partition, one of the budget is somebody else's."""

    row: str
    named: str
    least_filled: float
    most_refused: float
    workers: int = 1
    leaning: float | None = None
    foreign: float = 0.0


_ALONE = _Case("S1", "one worker, 300 a second", 99, 0.2)
_TWO = _Case("S5", "2 workers", 97, 0.5, workers=2)
_FOUR = _Case("S5", "4 workers", 97, 0.5, workers=4)
_LEANING = _Case("S6", "4 workers, half in one partition", 95, 0.5, workers=4, leaning=0.5)
_FOREIGN = _Case("S7", "4 workers, half used by another", 90, 2.0, workers=4, foreign=0.5)


async def alone(broker: Kafka, rounds: int) -> list[Result]:
    return await _filled(broker, rounds, _ALONE)


async def together(broker: Kafka, rounds: int) -> list[Result]:
    return [result for case in (_TWO, _FOUR) for result in await _filled(broker, rounds, case)]


async def leaning(broker: Kafka, rounds: int) -> list[Result]:
    return await _filled(broker, rounds, _LEANING)


async def foreign(broker: Kafka, rounds: int) -> list[Result]:
    return await _filled(broker, rounds, _FOREIGN)


async def cpu_us(broker: Kafka, seconds: float, more: Mapping[str, str]) -> float:
    """CPU microseconds that a worker alone uses for a request, while it fills the ceiling."""
    service = Sailthru()
    records = int(_RECORDS_A_SECOND * (seconds + _SECONDS))
    async with _working(broker, service, _ALONE, records, more) as workers:
        began, before = time.time(), service.counts[_ENDPOINT].total()
        await asyncio.sleep(seconds)
        ended, requests = time.time(), service.counts[_ENDPOINT].total() - before
        await workers.still_have_work()
        [readings] = workers.readings()
        return (readings.cpu_at(ended) - readings.cpu_at(began)) / requests * 1e6


async def _filled(broker: Kafka, rounds: int, case: _Case) -> list[Result]:
    """A backlog that does not end, users by Zipf's law; rounds are minutes as they are counted."""
    service = Sailthru()
    filled, refused = [], []
    # The first minute may just have begun when all are ready.
    records = int(_RECORDS_A_SECOND * _SECONDS * (rounds + 2))
    async with _working(broker, service, case, records) as workers:
        for _ in range(rounds):
            await asyncio.sleep(_SECONDS - service.options.clock() % _SECONDS)
            before, others = Counter(service.counts[_ENDPOINT]), workers.foreign_requests
            await asyncio.sleep(_SECONDS - _TICK_SECONDS)
            workers.check()
            answers = Counter(service.counts[_ENDPOINT]) - before
            left = service.ceilings()[_ENDPOINT] - (workers.foreign_requests - others)
            filled.append(answers["200"] / left * 100)
            refused.append((1 - answers["200"] / answers.total()) * 100)
        await workers.still_have_work()
    what = "accepted of the ceiling" if not case.foreign else "accepted of what is left"
    return [
        Result(case.row, case.named, what, "%", filled, at_least(case.least_filled)),
        Result(
            case.row,
            case.named,
            "refused of all requests",
            "%",
            refused,
            at_most(case.most_refused),
        ),
    ]


class _Workers:
    def __init__(self, subjects: list[Subject]) -> None:
        self._subjects = subjects
        self.foreign_requests = 0

    def readings(self) -> list[Readings]:
        return [subject.readings() for subject in self._subjects]

    def check(self) -> None:
        for subject in self._subjects:
            subject.check()

    async def still_have_work(self) -> None:
        figures = [await Figures.read(subject.address) for subject in self._subjects]
        assert all(each.total("records_in_flight") for each in figures), "the backlog has ended"

    async def use_up(self, service: Sailthru, per_second: float) -> None:
        """Somebody else's requests on the same account, as the service counts them."""
        clock = asyncio.get_running_loop().time
        began, tried = clock(), 0
        while True:
            for _ in range(int((clock() - began) * per_second) - tried):
                tried += 1
                with suppress(RefusedError):
                    service.limits.spend(_ENDPOINT)
                    self.foreign_requests += 1
            await asyncio.sleep(_TICK_SECONDS)


@asynccontextmanager
async def _working(
    broker: Kafka,
    service: Sailthru,
    case: _Case,
    records: int,
    more: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[_Workers]:
    """Yields when all workers have their partitions, and requests have come for a while."""
    async with (
        Log.on(broker, partitions=4) as log,
        running(service.app()) as url,
        AsyncExitStack() as stack,
    ):
        await log.write(updates(log.kafka, records, _USERS, seed=1, leaning=case.leaning))
        subjects = []
        for _ in range(case.workers):
            directory = Path(stack.enter_context(TemporaryDirectory()))
            subjects.append(
                await stack.enter_async_context(
                    Subject(
                        "worker",
                        directory,
                        log.kafka,
                        "sailthru",
                        **sailthru_settings(url),
                        **more,
                    )
                )
            )
        workers = _Workers(subjects)
        for subject in subjects:
            await subject.marked("assigned")
        while not service.counts[_ENDPOINT]["200"]:
            workers.check()
            await asyncio.sleep(0.1)
        per_second = service.ceilings()[_ENDPOINT] / 60 * case.foreign
        using_up = asyncio.create_task(workers.use_up(service, per_second))
        try:
            together = case.workers > 1
            await asyncio.sleep(_SETTLE_TOGETHER_SECONDS if together else _SETTLE_SECONDS)
            yield workers
        finally:
            using_up.cancel()
            await asyncio.gather(using_up, return_exceptions=True)
