"""S1: how much of Sailthru's ceiling one worker fills, over real HTTP and real minutes."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.kafka import Kafka
from sandbox.sailthru import Sailthru
from sandbox.server import running
from tests.benchmarks.events import updates
from tests.benchmarks.log import Log
from tests.benchmarks.processes import Subject, sailthru_settings
from tests.benchmarks.results import Result, at_least, at_most

_USERS = 10_000
_RECORDS = 200_000
_ENDPOINT = "POST user"
_SECONDS = 60.0
_SETTLE_SECONDS = 5.0


async def run(broker: Kafka, rounds: int) -> list[Result]:
    """One worker, a backlog that does not end, users by Zipf's law; rounds are minutes in a row."""
    service = Sailthru()
    filled, refused = [], []
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=4) as log, running(service.app()) as url:
            await log.write(updates(log.kafka, _RECORDS, _USERS, seed=1))
            async with Subject(
                "worker", Path(directory), log.kafka, "sailthru", **sailthru_settings(url)
            ) as worker:
                while not service.counts[_ENDPOINT]["200"]:
                    worker.check()
                    await asyncio.sleep(0.1)
                await asyncio.sleep(_SETTLE_SECONDS)
                for _ in range(rounds):
                    before = Counter(service.counts[_ENDPOINT])
                    await asyncio.sleep(_SECONDS)
                    worker.check()
                    answers = Counter(service.counts[_ENDPOINT]) - before
                    filled.append(answers["200"] / service.ceilings()[_ENDPOINT] * 100)
                    refused.append((1 - answers["200"] / answers.total()) * 100)
    case = "one worker, 300 a second"
    return [
        Result("S1", case, "accepted of the ceiling", "%", filled, at_least(99)),
        Result("S1", case, "refused of all requests", "%", refused, at_most(0.2)),
    ]
