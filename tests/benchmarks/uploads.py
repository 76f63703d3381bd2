"""What AB Tasty's worker makes of many changes (A1), and of one row that is refused (A3)."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from aiohttp import web

from agents.ab_tasty.topics import AB_TASTY_AUDIENCES
from sandbox.ab_tasty import AbTasty
from sandbox.faults import Answer
from sandbox.kafka import Kafka
from sandbox.server import running
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.benchmarks.events import AUDIENCES, memberships
from tests.benchmarks.log import Log
from tests.benchmarks.members import audiences, nothing_is_left
from tests.benchmarks.observed import observed
from tests.benchmarks.processes import Subject, ab_tasty_settings
from tests.benchmarks.results import Result, at_least, at_most, ratios

_ENDPOINT = "POST segments"
WORKER = "worker"
_SUBJECTS = {WORKER: "ab-tasty", "aiokafka loop": "csv_loop"}
_CHANGES, _ALL_CHANGES = 300_000, 1_000_000
_BATCH = 1_000
# A batch of changes of one audience, whose users' ids are all as long, so that none is in another.
_ONE_EACH = range(10**6 * AUDIENCES, (10**6 + _BATCH) * AUDIENCES, AUDIENCES)
_EVER = 10**9
_MOST_SECONDS = 600.0


@dataclass(slots=True)
class _Uploads:
    """What was accepted; `last_at` is in unix seconds."""

    bodies: list[bytes] = field(default_factory=list)
    last_at: float = 0.0

    @property
    def rows(self) -> int:
        return sum(body.count(b"\n") - 1 for body in self.bodies)

    def tell(self, _request: web.Request, body: bytes) -> None:
        self.last_at = time.time()
        self.bodies.append(body)


async def _ended(log: Log, subject: Subject, group: str) -> None:
    """Waits until all changes have been committed: folding decides how many rows there are."""
    async with asyncio.timeout(_MOST_SECONDS):
        while not (await log.lag.of(group, [AUDIENCE_MEMBERSHIP.name])).done:
            subject.check()
            await asyncio.sleep(0.1)


class _Run(NamedTuple):
    """What was accepted, in how many seconds and with how much CPU.

    From the first record that is looked at, and not from the first yes: a worker may have parsed
    all there is by then, while it has the names of audiences fixed.
    """

    requests: int
    rows: int
    seconds: float
    cpu: float

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a row."""
        return self.cpu / self.rows * 1e6


async def rate(
    broker: Kafka, rounds: int, *, full: bool = False, changes: int = _CHANGES
) -> list[Result]:
    """A1: each pair of user and audience changes twice, so folding may halve the rows."""
    changes = _ALL_CHANGES if full else changes
    runs: dict[str, list[_Run]] = {name: [] for name in _SUBJECTS}
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=4) as log:
            # Else the first run of the worker has a hundred names fixed before its first request.
            await log.fill(AB_TASTY_AUDIENCES, 0, audiences())
            await log.write(memberships(log.kafka, range(changes), changes // 2))
            for _ in range(rounds):
                for name, each in runs.items():
                    each.append(await _run(name, log, Path(directory)))
    case = f"{changes:,} changes of {changes // 2:,} pairs"
    rows = {name: [run.rows / run.seconds for run in each] for name, each in runs.items()}
    cpu = {name: [run.cpu_us for run in each] for name, each in runs.items()}
    ours, theirs = _SUBJECTS
    requests = [run.requests / run.rows * 500 for run in runs[ours]]
    return [
        ratios("A1", case, f"{ours} / {theirs}: rows", rows[ours], rows[theirs], at_least(0.8)),
        ratios("A1", case, f"{ours} / {theirs}: CPU a row", cpu[ours], cpu[theirs]),
        Result("A1", case, "requests / (rows / 500)", "ratio", requests, at_most(1)),
        *(Result("A1", case, f"{name}: rows", "1/s", each) for name, each in rows.items()),
        *(Result("A1", case, f"{name}: CPU a row", "us", each) for name, each in cpu.items()),
    ]


async def cpu_us(name: str, log: Log, directory: Path, more: Mapping[str, str]) -> float:
    """CPU microseconds a row."""
    return (await _run(name, log, directory, more)).cpu_us


async def _run(
    name: str, log: Log, directory: Path, more: Mapping[str, str] = MappingProxyType({})
) -> _Run:
    uploads = _Uploads()
    at_the_start = dict.fromkeys(log.partitions([AUDIENCE_MEMBERSHIP]), 0)
    is_ours = name == WORKER
    group = _SUBJECTS[name] if is_ours else uuid4().hex
    if is_ours:
        await log.begin(group, at_the_start)
        await nothing_is_left(log.kafka)
    async with (
        running(observed(AbTasty(), _ENDPOINT, uploads.tell)) as url,
        Subject(
            name if is_ours else _SUBJECTS[name],
            directory,
            log.kafka,
            group if is_ours else log.kafka.group(group),
            **ab_tasty_settings(url),
            **more,
        ) as subject,
    ):
        await _ended(log, subject, group)
        readings = await subject.metered(uploads.last_at)
        begun = readings.marks["admits"]
        cpu = readings.cpu_at(uploads.last_at) - begun.cpu
        return _Run(len(uploads.bodies), uploads.rows, uploads.last_at - begun.at, cpu)


async def poison(broker: Kafka, rounds: int) -> list[Result]:
    """A3: AB Tasty refuses a file whole, and does not say which row it was."""
    requests: list[int] = []
    wrong: list[int] = []
    with TemporaryDirectory() as directory:
        for number in range(rounds):
            async with Log.on(broker, partitions=1) as log:
                await log.write(memberships(log.kafka, _ONE_EACH, _EVER))
                # Another place each time, the last row among them.
                bad = _ONE_EACH[-1 - number * _BATCH // rounds] // AUDIENCES
                asked, rows = await _refusing(str(bad), log, Path(directory))
            requests.append(asked)
            good = {b"%d" % (number // AUDIENCES) for number in _ONE_EACH} - {b"%d" % bad}
            sent = Counter(row.partition(b",")[0] for row in rows)
            wrong.append(sum(sent[user] != 1 for user in good | sent.keys()))
    case = f"{_BATCH:,} rows, one refused"
    return [
        Result("A3", case, "requests", "1", requests, at_most(12)),
        Result("A3", case, "good rows not sent just once", "1", wrong, at_most(0)),
    ]


async def _refusing(user: str, log: Log, directory: Path) -> tuple[int, list[bytes]]:
    """How often it was asked, and the rows that it accepted."""
    uploads = _Uploads()
    service = AbTasty(
        faults=[Answer(endpoint=_ENDPOINT, user=user, status=400, body={"error": "row"})]
    )
    async with (
        running(observed(service, _ENDPOINT, uploads.tell)) as url,
        Subject("worker", directory, log.kafka, "ab-tasty", **ab_tasty_settings(url)) as worker,
    ):
        await _ended(log, worker, "ab-tasty")
    rows = [row for body in uploads.bodies for row in body.split()[1:]]
    return service.counts[_ENDPOINT].total(), rows
