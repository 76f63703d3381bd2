"""P7: what a worker costs while nothing happens."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from sandbox.kafka import Kafka
from tests.benchmarks.log import Log
from tests.benchmarks.processes import Subject
from tests.benchmarks.results import Result, at_most, ratios

_PARTITIONS = 64
_SETTLE_SECONDS = 3.0
_WINDOW_SECONDS = 10.0


async def run(broker: Kafka, rounds: int) -> list[Result]:
    """Both at the same time, so that what disturbs one disturbs the other."""
    spent: dict[str, list[float]] = {"worker": [], "idle_consumer": []}
    with TemporaryDirectory() as directory:
        async with (
            Log.on(broker, partitions=_PARTITIONS) as log,
            Subject("worker", Path(directory), log.kafka, "router") as worker,
            Subject("idle_consumer", Path(directory), log.kafka, uuid4().hex) as consumer,
        ):
            for subject in (worker, consumer):
                await subject.marked("assigned")
            await asyncio.sleep(_SETTLE_SECONDS)
            for _ in range(rounds):
                began = time.time()
                await asyncio.sleep(_WINDOW_SECONDS)
                for subject in (worker, consumer):
                    readings = subject.readings()
                    cpu = readings.samples[-1].cpu - readings.cpu_at(began)
                    spent[subject.name].append(cpu / (time.time() - began) * 100)
    case = f"idle, {_PARTITIONS} partitions"
    return [
        ratios(
            "P7",
            case,
            "router / bare aiokafka consumer: CPU",
            spent["worker"],
            spent["idle_consumer"],
            at_most(1.5),
        ),
        Result("P7", case, "router: CPU of one core", "%", spent["worker"]),
        Result("P7", case, "bare aiokafka consumer: CPU of one core", "%", spent["idle_consumer"]),
    ]
