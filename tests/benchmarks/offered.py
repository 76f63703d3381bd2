"""Sailthru's worker under a steady load: S2, more than the ceiling; S3, users who always fail."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from aiohttp import web

from cli.demo.figures import Figures
from sandbox.faults import Answer
from sandbox.kafka import Kafka
from sandbox.sailthru import Sailthru
from sandbox.server import running
from streams.kafka import batch_writer
from streams.kafka.batch_writer import Outgoing
from streams.topics import USER_UPDATE
from tests.benchmarks.events import updates
from tests.benchmarks.log import Log
from tests.benchmarks.observed import observed
from tests.benchmarks.processes import Subject, sailthru_settings
from tests.benchmarks.results import Result, at_most, ratios
from tests.streams import cluster

_ENDPOINT = "POST user"
_OFFERED = 1.9
_USERS = 10_000
_EVER = 10**6
_EVERY_SECONDS = 0.1
_SETTLE_SECONDS = 15.0
_WINDOW_SECONDS = 15.0
# Ends the address of one user in a thousand, and of nobody else.
_ALWAYS_FAILS = "500@shop.example"


class _Load:
    """Writes records at a steady rate; `delays` are how long those of users in order waited.

    A request carries all that waited for its user. What was written while it was under way counts
    as carried too; on this machine that is a few milliseconds.
    """

    def __init__(self, service: Sailthru) -> None:
        self._service = service
        self._written_at = defaultdict[str, list[float]](list)
        self.written = 0
        self.accepted = 0
        self.delays: list[float] = []

    def tell(self, request: web.Request, body: bytes) -> None:
        address = self._service.identity(request, body)
        now = time.monotonic()
        written_at = self._written_at.pop(address.partition("@")[0], [])
        self.accepted += len(written_at)
        if not address.endswith(_ALWAYS_FAILS):
            self.delays += [now - at for at in written_at]

    async def offer(self, log: Log, records: Iterator[Outgoing], per_second: float) -> None:
        """Goes on until cancelled; what it is late with it writes at once."""
        began = time.monotonic()
        async with cluster.producing(log.kafka) as producer:
            while True:
                due = int((time.monotonic() - began) * per_second) - self.written
                part = list(islice(records, due))
                now = time.monotonic()
                for each in part:
                    self._written_at[each.key.decode()].append(now)
                await batch_writer.write(producer, part)
                self.written += len(part)
                await asyncio.sleep(_EVERY_SECONDS)


@asynccontextmanager
async def _loaded(broker: Kafka) -> AsyncIterator[tuple[_Load, Sailthru, Subject]]:
    service = Sailthru()
    load = _Load(service)
    per_second = service.ceilings()[_ENDPOINT] / 60 * _OFFERED
    with TemporaryDirectory() as directory:
        async with (
            Log.on(broker, partitions=4) as log,
            running(observed(service, _ENDPOINT, load.tell)) as url,
            Subject(
                "worker", Path(directory), log.kafka, "sailthru", **sailthru_settings(url)
            ) as worker,
        ):
            await worker.marked("assigned")
            records = updates(log.kafka, _EVER, _USERS, seed=1)
            offering = asyncio.create_task(load.offer(log, records, per_second))
            try:
                await asyncio.sleep(_SETTLE_SECONDS)
                yield load, service, worker
            finally:
                offering.cancel()
                await asyncio.gather(offering, return_exceptions=True)


async def folding(broker: Kafka, rounds: int) -> list[Result]:
    """S2: each round compares the backlog of a window with that of the window before."""
    backlogs, folded = [], []
    async with _loaded(broker) as (load, service, worker):
        for _ in range(rounds + 1):
            accepted, asked = load.accepted, service.counts[_ENDPOINT].total()
            backlogs.append(await _backlog(worker))
            asked = service.counts[_ENDPOINT].total() - asked
            folded.append((load.accepted - accepted) / asked)
    case = f"offered {_OFFERED} x the ceiling"
    return [
        ratios("S2", case, "backlog / before", backlogs[1:], backlogs[:-1], at_most(1.1)),
        Result("S2", case, "backlog, records", "1", backlogs),
        Result("S2", case, "records a request", "ratio", folded),
    ]


async def _backlog(worker: Subject) -> float:
    """Records read and not accepted, on average over a window."""
    seen = []
    end = time.monotonic() + _WINDOW_SECONDS
    while time.monotonic() < end:
        worker.check()
        figures = await Figures.read(worker.address)
        seen.append(figures.total("records_in_flight", topic=USER_UPDATE.name))
        await asyncio.sleep(0.5)
    return mean(seen)


async def failing(broker: Kafka, rounds: int) -> list[Result]:
    """S3: by turns a window in which one user in a thousand always fails, and one without."""
    delays: dict[bool, list[float]] = {False: [], True: []}
    fault = Answer(endpoint=_ENDPOINT, user=_ALWAYS_FAILS, status=500, body={"error": 9})
    async with _loaded(broker) as (load, service, worker):
        for number in range(rounds):
            # Back and forth: the load is not the same all the time.
            for fails, each in sorted(delays.items(), reverse=bool(number % 2)):
                service.set_faults([fault] if fails else [])
                load.delays.clear()
                await asyncio.sleep(_WINDOW_SECONDS)
                worker.check()
                each.append(mean(load.delays) * 1000)
    case = "1 user in 1,000 always 500"
    return [
        ratios(
            "S3", case, "others / none failing: delay", delays[True], delays[False], at_most(1.1)
        ),
        Result("S3", case, "others: delay", "ms", delays[True]),
        Result("S3", case, "none failing: delay", "ms", delays[False]),
    ]
