"""P4: memory while a destination is down. P8: how soon a worker with a long past sends."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from cli.demo.figures import Figures
from sandbox.kafka import Kafka
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.settings import WorkerSettings
from streams.topics import BY_USER, EVENTS
from tests.benchmarks.events import events
from tests.benchmarks.log import Log
from tests.benchmarks.processes import Subject, sailthru_settings
from tests.benchmarks.results import Result, at_most

_PARTITIONS = 4
# As README has them: with the two other topics of users a worker is assigned 36.
_MANY_PARTITIONS = 12
_MOST_MB = 1_000
_USERS = 10_000
_FEW, _MANY = 100_000, 1_000_000
_PAST = 200_000
_HOLD_SECONDS = 15.0
_WAIT_SECONDS = 120.0
_NOBODY = "http://127.0.0.1:1"


async def down(broker: Kafka, _rounds: int) -> list[Result]:
    """Once: resident memory has a peak, and a peak has no second time."""
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=_MANY_PARTITIONS) as log:
            await log.write(events(log.kafka, range(_FEW), _USERS))
            share = WorkerSettings.load().max_in_flight_records // (_MANY_PARTITIONS * len(BY_USER))
            async with Subject(
                "worker", Path(directory), log.kafka, "sailthru", **sailthru_settings(_NOBODY)
            ) as worker:
                await _full(worker, _MANY_PARTITIONS * share)
                await asyncio.sleep(_HOLD_SECONDS)
                few = worker.readings().samples[-1].peak
                await log.write(events(log.kafka, range(_FEW, _MANY), _USERS))
                await asyncio.sleep(_HOLD_SECONDS)
                worker.check()
                many = worker.readings().samples[-1].peak
    case = "destination down"
    return [
        Result(
            "P4",
            case,
            f"peak memory, {_MANY:,} / {_FEW:,} waiting",
            "ratio",
            [many / few],
            at_most(1.1),
        ),
        Result(
            "P4",
            case,
            f"peak memory, {_MANY:,} waiting, 36 partitions",
            "MB",
            [many / 2**20],
            at_most(_MOST_MB),
        ),
    ]


async def _full(worker: Subject, records: int) -> None:
    """Waits until so many records are under way, which is the most there may be."""
    async with asyncio.timeout(_WAIT_SECONDS):
        await worker.marked("assigned")
        while True:
            worker.check()
            figures = await Figures.read(worker.address)
            if figures.total("records_in_flight", topic=EVENTS.name) >= records:
                return
            await asyncio.sleep(0.5)


class _First(Sailthru):
    """Says when it was first asked for anything."""

    def __init__(self) -> None:
        super().__init__(Options(factor=50))
        self.asked = asyncio.Event()
        self.asked_at = 0.0

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if not self.asked.is_set():
            self.asked_at = time.time()
            self.asked.set()
        return await super().answer(request, body)


async def past(broker: Kafka, rounds: int) -> list[Result]:
    """From assignment, which reads back the ids, to the first request."""
    seconds = []
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=_PARTITIONS) as log:
            await log.write(events(log.kafka, range(_PAST), _USERS))
            ends = await log.ends(BY_USER)
            await log.write(events(log.kafka, range(_PAST, _PAST + 100), _USERS))
            for _ in range(rounds):
                await log.begin("sailthru", ends)
                seconds.append(await _first_request(log, Path(directory)))
    case = f"{_PAST:,} ids to read back"
    return [Result("P8", case, "assignment to first request", "s", seconds, at_most(3))]


async def _first_request(log: Log, directory: Path) -> float:
    service = _First()
    async with (
        running(service.app()) as url,
        Subject("worker", directory, log.kafka, "sailthru", **sailthru_settings(url)) as worker,
        asyncio.timeout(_WAIT_SECONDS),
    ):
        await worker.marked("assigned")
        await service.asked.wait()
        return service.asked_at - worker.readings().marks["assigned"].at
