"""P5: from the raw log to Sailthru's yes, one message at a time through two idle workers."""

import asyncio
import time
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory

from aiohttp import web

from sandbox.kafka import Kafka
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.topics import RAW
from tests.benchmarks.log import Log
from tests.benchmarks.messages import one_record
from tests.benchmarks.processes import Subject, sailthru_settings
from tests.benchmarks.results import Result, at_most
from tests.streams import cluster

_MESSAGES = 150
_PAUSE_SECONDS = (0.02, 0.15)
_ANSWER_SECONDS = 60.0


class _Timed(Sailthru):
    """Says when it has taken an event."""

    def __init__(self) -> None:
        super().__init__(Options(factor=50))
        self.taken = asyncio.Queue[float]()

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        response = await super().answer(request, body)
        if self.endpoint(request) == "POST event" and response.status == web.HTTPOk.status_code:
            self.taken.put_nowait(time.monotonic())
        return response


async def run(broker: Kafka, rounds: int, messages: int = _MESSAGES) -> list[Result]:
    """The time includes writing the raw message, as a client of Kafka sees it."""
    service = _Timed()
    with TemporaryDirectory() as directory:
        async with (
            Log.on(broker, partitions=4) as log,
            running(service.app()) as url,
            Subject("worker", Path(directory), log.kafka, "router"),
            Subject("worker", Path(directory), log.kafka, "sailthru", **sailthru_settings(url)),
        ):
            await _milliseconds(log, service, range(3))  # both have joined, all is loaded
            spent = [
                await _milliseconds(log, service, range(start, start + messages))
                for start in range(1_000, 1_000 * (rounds + 1), 1_000)
            ]
    case = "idle, one event at a time"
    cuts = [quantiles(each, n=100) for each in spent]
    return [
        Result("P5", case, "raw to accepted, p50", "ms", [each[49] for each in cuts], at_most(50)),
        Result("P5", case, "raw to accepted, p99", "ms", [each[98] for each in cuts], at_most(250)),
    ]


async def _milliseconds(log: Log, service: _Timed, numbers: range) -> list[float]:
    rng = Random(numbers.start)
    raw = log.kafka.topic(RAW.name)
    spent = []
    async with cluster.producing(log.kafka) as producer:
        for number in numbers:
            await asyncio.sleep(rng.uniform(*_PAUSE_SECONDS))
            message = one_record(number)
            started = time.monotonic()
            await producer.send_and_wait(raw, message.value, message.key)
            async with asyncio.timeout(_ANSWER_SECONDS):
                spent.append((await service.taken.get() - started) * 1000)
    return spent
