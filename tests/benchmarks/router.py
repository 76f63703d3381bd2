"""P1: the router against its rivals, all doing the same work. P6: 4 partitions against 64.

A run lasts from the first message that is mapped to the last record that Kafka has taken, as Kafka
itself stamps it; CPU is that of the whole process in between, its threads included.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from cli.demo.publish import publish
from sandbox.kafka import Kafka
from streams import topics
from streams.topics import RAW
from tests.benchmarks.log import Log
from tests.benchmarks.messages import RECORDS
from tests.benchmarks.processes import Subject
from tests.benchmarks.results import Result, at_least, at_most, ratios

OUTPUTS = tuple(topic for topic in topics.ALL if topic is not RAW)
WORKER = "worker"
RIVALS = ("confluent_loop", "aiokafka_loop", "quix", "faust_agent")
"""Modules of `tests.benchmarks.subjects`."""
_NEEDS = {"confluent_loop": "confluent_kafka", "quix": "quixstreams"}
_TARGETS = {"confluent_loop": 1.3, "quix": 1.6, "faust_agent": 5.0}

_MESSAGES = 30_000
# Half of them for Java to compile what runs often.
_MANY_MESSAGES = 100_000
_MOST_SECONDS = 6.0
_START_SECONDS = 60.0
_WARM_SECONDS = 180.0
_POLL_SECONDS = 0.2


class Run(NamedTuple):
    """What one subject did in one run."""

    messages: float
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu / self.messages * 1e6


@dataclass(frozen=True, slots=True)
class Course:
    """One raw log and what each of its messages becomes."""

    log: Log
    messages: int
    records: int
    directory: Path

    @classmethod
    async def laid(cls, log: Log, messages: int, records: int, directory: Path) -> "Course":
        """Writes the raw log."""
        write = RECORDS[records]
        await publish(log.kafka, (write(number) for number in range(messages)))
        return cls(log, messages, records, directory)

    async def run(self, name: str, more: Mapping[str, str] = MappingProxyType({})) -> Run:
        """Sends one subject over it; after some seconds what it has done by then counts."""
        if name == WORKER:
            await self.log.begin("router", dict.fromkeys(self.log.partitions([RAW]), 0))
        argument = "router" if name == WORKER else f"benchmark-{uuid4().hex}"
        before = await self._written()
        # Rivals remember nothing of users either.
        chosen = {"ROUTER_SNAPSHOTS": "never", **more}
        async with Subject(name, self.directory, self.log.kafka, argument, **chosen) as subject:
            async with asyncio.timeout(_START_SECONDS):
                await subject.marked("work")
            began = subject.readings().marks["work"]
            while True:
                subject.check()
                written, now = await self._written() - before, time.time()
                if written == self.messages * self.records:
                    now = await self.log.last_written(OUTPUTS)
                    break
                if now - began.at > _MOST_SECONDS:
                    break
                await asyncio.sleep(_POLL_SECONDS)
            await asyncio.sleep(2 * _POLL_SECONDS)  # the meter writes what it has measured
            cpu = subject.readings().cpu_at(now) - began.cpu
        return Run(written / self.records, now - began.at, cpu)

    async def run_warm(self, name: str) -> Run:
        """The second half alone, for what is compiled while it runs."""
        before = await self._written()
        half = {"BENCHMARK_WARM": str(self.messages // 2)}
        group = f"benchmark-{uuid4().hex}"
        async with Subject(name, self.directory, self.log.kafka, group, **half) as subject:
            async with asyncio.timeout(_WARM_SECONDS):
                await subject.marked("warm")
            began, first = time.time(), await self._written() - before
            ended, written = began, first
            while written < self.messages * self.records and ended - began < _MOST_SECONDS:
                subject.check()
                await asyncio.sleep(_POLL_SECONDS)
                ended, written = time.time(), await self._written() - before
            await asyncio.sleep(2 * _POLL_SECONDS)  # the meter writes what it has measured
            readings = subject.readings()
            cpu = readings.cpu_at(ended) - readings.cpu_at(began)
        return Run((written - first) / self.records, ended - began, cpu)

    async def _written(self) -> int:
        return sum((await self.log.ends(OUTPUTS)).values())


def installed(names: Sequence[str] = RIVALS) -> list[str]:
    """The rivals that can run in this environment."""
    return [name for name in names if find_spec(_NEEDS.get(name, "aiokafka"))]


async def against_rivals(broker: Kafka, rounds: int) -> list[Result]:
    results: list[Result] = []
    with TemporaryDirectory() as directory:
        for records in RECORDS:
            async with Log.on(broker, partitions=4) as log:
                course = await Course.laid(log, _MESSAGES // records, records, Path(directory))
                runs: dict[str, list[Run]] = {name: [] for name in (WORKER, *installed())}
                for number in range(rounds):
                    # Back and forth, so that nobody always comes after the same one.
                    for name in sorted(runs, reverse=bool(number % 2)):
                        runs[name].append(await course.run(name))
            results += _compared(_case(records), runs)
    return results


def _compared(case: str, runs: Mapping[str, Sequence[Run]]) -> list[Result]:
    results = []
    rate = {name: [run.rate for run in each] for name, each in runs.items()}
    cpu = {name: [run.cpu_us for run in each] for name, each in runs.items()}
    for name in runs:
        results.append(Result("P1", case, f"{_called(name)}: messages", "1/s", rate[name]))
        results.append(Result("P1", case, f"{_called(name)}: CPU a message", "us", cpu[name]))
    for name in runs.keys() - {WORKER}:
        target = at_least(_TARGETS[name]) if name in _TARGETS else None
        what = f"{_called(WORKER)} / {_called(name)}"
        results.append(
            ratios("P1", case, f"{what}: messages a second", rate[WORKER], rate[name], target)
        )
        results.append(ratios("P1", case, f"{what}: CPU a message", cpu[WORKER], cpu[name]))
    return results


async def partitions(broker: Kafka, rounds: int) -> list[Result]:
    few, many = 4, 64
    runs: dict[int, list[Run]] = {few: [], many: []}
    with TemporaryDirectory() as directory:
        async with (
            Log.on(broker, partitions=few) as few_log,
            Log.on(broker, partitions=many) as many_log,
        ):
            courses = {
                count: await Course.laid(log, _MESSAGES, 1, Path(directory))
                for count, log in ((few, few_log), (many, many_log))
            }
            for _ in range(rounds):
                for count, course in courses.items():
                    runs[count].append(await course.run(WORKER))
    rate = {count: [run.rate for run in each] for count, each in runs.items()}
    cpu = {count: [run.cpu_us for run in each] for count, each in runs.items()}
    case = f"{few} against {many} partitions"
    return [
        ratios("P6", case, "seconds a message", rate[few], rate[many], at_most(1.1)),
        ratios("P6", case, "CPU a message", cpu[many], cpu[few]),
        *(Result("P6", f"{count} partitions", "CPU a message", "us", cpu[count]) for count in cpu),
    ]


async def beside_kafka_streams(broker: Kafka, rounds: int) -> list[Result]:
    """K1: no rival, since it does not do the same work; a mark from outside Python."""
    results = []
    with TemporaryDirectory() as directory:
        for records in RECORDS:
            async with Log.on(broker, partitions=4) as log:
                course = await Course.laid(log, _MANY_MESSAGES // records, records, Path(directory))
                theirs = [await course.run_warm("kafka_streams") for _ in range(rounds)]
                ours = [await course.run(WORKER) for _ in range(rounds)]
            case = _case(records)
            cpu = [[run.cpu_us for run in each] for each in (ours, theirs)]
            results += [
                Result("K1", case, "router: CPU a message", "us", cpu[0]),
                Result("K1", case, "Kafka Streams, no validation: CPU a message", "us", cpu[1]),
                ratios("K1", case, "router / Kafka Streams: CPU a message", cpu[0], cpu[1]),
            ]
    return results


def _case(records: int) -> str:
    return f"{records} record{'s'[: records - 1]} a message"


def _called(name: str) -> str:
    return "router" if name == WORKER else name.replace("_", " ")
