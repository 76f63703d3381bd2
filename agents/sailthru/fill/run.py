"""A fill from start to end: window by window a job, then calls for what no job can say."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from agents.sailthru.client import Client
from agents.sailthru.fill.backlog import Backlog, Part, opened
from agents.sailthru.fill.error import FillError
from agents.sailthru.fill.job import Jobs
from agents.sailthru.fill.job_file import Most, files
from agents.sailthru.fill.job_selection import Said, WindowLanes, job_lines
from agents.sailthru.settings import SailthruSettings
from agents.sailthru.sink import SailthruSink
from models.dead_letter import DeadLetter
from streams.dead_letters.writer import DeadLetters, FloodGuard
from streams.delivery.admission import Admission
from streams.delivery.completion import Completion, Refused
from streams.delivery.components import Components
from streams.delivery.history import History
from streams.delivery.lane import Item, Lane
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import NoBarrier
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.recovery import Recovery
from streams.delivery.sending.endpoints import Endpoints
from streams.delivery.sink import Outlet
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.http import Http
from streams.kafka import clients
from streams.kafka.clients import UnansweredError
from streams.kafka.record_limits import RecordLimits
from streams.kafka.tables import FollowedTable
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import AUDIENCES, DEAD_LETTERS, USER_UPDATE

JOB_SECONDS = 6 * 3600.0
"""How long a job may take: the documentation speaks of hours."""
_POLL_SECONDS = 0.05
E = TypeVar("E", bound=Exception)
# api-evangelist/sailthru rate-limits/; a fill makes far fewer.
_CEILINGS = {"job": 2_400, "job GET": 18_000}


@dataclass(frozen=True, slots=True)
class Plan:
    """A fill as it was asked for; without `execute` nothing is sent, written or committed."""

    execute: bool = False
    most: Most = field(default_factory=Most)
    job_seconds: float = JOB_SECONDS
    after_job: str | None = None


class CountedCompletion(Completion):
    """Ends records as a worker does, and counts them for the person who asked for the fill."""

    def __init__(
        self, destination: str, letters: DeadLetters, deduplication: Deduplication
    ) -> None:
        super().__init__(destination, letters, deduplication, NoBarrier())
        self.delivered_records = 0
        self.dropped_records = Counter[str]()
        self.refused_records = Counter[str]()

    def end_delivered(self, items: Sequence[Item]) -> None:
        self.delivered_records += len(items)
        super().end_delivered(items)

    def end_dropped(self, item: Item, reason: str) -> None:
        self.dropped_records[reason] += 1
        super().end_dropped(item, reason)

    async def end_rejected(self, refused: Sequence[Refused]) -> None:
        self.refused_records.update(why.reason for _, why in refused)
        await super().end_rejected(refused)


class NoDeadLetters(DeadLetters):
    """Writes no dead letters: without --execute nothing is written."""

    def __init__(self) -> None:
        """Needs no producer."""

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Does nothing: dead letters are counted where they end."""


@dataclass(slots=True)
class Sums:
    """Counts of what the jobs carried; `ends` counts how the records ended."""

    ends: CountedCompletion
    read: int = 0
    jobs: int = 0
    users: int = 0
    size: int = 0
    by_job: int = 0


class Fill:
    """Ends every record as the worker does, with its own mapping, order and memory."""

    def __init__(
        self,
        sink: SailthruSink,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        plan: Plan,
        log: Backlog,
        letters: DeadLetters,
        connections: int,
        say: Callable[[str], None],
    ) -> None:
        self._sink, self._plan, self._log, self._say = sink, plan, log, say
        deduplication = Deduplication(worker.dedup_max_ids)
        self.sums = Sums(CountedCompletion(sink.destination, letters, deduplication))
        components = Components(
            Outlet.of(sink),
            {kafka.topic(USER_UPDATE.name): USER_UPDATE},
            self.sums.ends,
            deduplication,
            Staleness.beside(worker.dedup_max_ids),
            NoBarrier(),
            may_send=lambda: True,
            policy=DeliveryPolicy(),
        )
        guards = [FloodGuard(worker.max_rejected_share, sink.behind) for _ in range(2)]
        self._lanes = WindowLanes()
        self._admission = Admission(components, self._lanes, guards[0])
        self._endpoints = Endpoints(components, connections, guards[1])
        self._audiences = FollowedTable.of_values(kafka, AUDIENCES, sink.learn)
        self._recovery = Recovery(components, self._audiences, History(kafka), _start)

    async def run(self, parts: Sequence[Part], jobs: Jobs | None) -> None:
        """One partition after the other; raises FillError. Without `jobs` nothing leaves."""
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._audiences.run()),
                tasks.create_task(self._recovery.run()),
            ]
            if jobs is not None:
                beside.append(tasks.create_task(self._endpoints.run()))
            self._recovery.assigned([part.partition for part in parts])
            for part in parts:
                await self._part(part, jobs)
            for task in beside:
                task.cancel()

    async def _part(self, part: Part, jobs: Jobs | None) -> None:
        await self._until(lambda: part.partition.started)
        async for records in self._log.windows(part, self._plan.most.users):
            if jobs is not None:
                # Kafka refuses it where a worker has joined the group meanwhile.
                await self._log.commit(part.partition)
            await self._window(part, records, jobs)

    async def _window(
        self, part: Part, records: Sequence[ConsumerRecord], jobs: Jobs | None
    ) -> None:
        partition = part.partition
        await self._admission.admit(Chunk.of(partition, records, records[-1].offset + 1))
        if self._lanes.why is not None:
            raise FillError(self._lanes.why.what_to_do)
        lanes = self._lanes.taken()
        for file in files(job_lines(self._sink, lanes), self._plan.most):
            await self._job(file, jobs)
        for lane in lanes:
            self._left(lane, jobs)
        await self._until(lambda: not partition.offsets.waiting)
        if jobs is not None:
            await self._log.commit(partition)
        self.sums.read += len(records)
        self._say(f"{partition.tp.topic}-{partition.tp.partition}: {part.left} records left")

    async def _job(self, file: Sequence[tuple[Said, bytes]], jobs: Jobs | None) -> None:
        body = b"".join(text + b"\n" for _, text in file)
        if jobs is not None:
            await jobs.update(body)
        for (lane, batch), _ in file:
            # A later change may tell the address before it as a digest only.
            self._sink.note_delivered(batch.request)
            self.sums.ends.end_delivered(lane.pop_delivered(batch.size))
            self.sums.by_job += batch.size
        self.sums.jobs += 1
        self.sums.users += len(file)
        self.sums.size += len(body)

    def _left(self, lane: Lane, jobs: Jobs | None) -> None:
        """Queues what no job can say as calls, paced and judged as a worker's."""
        if jobs is None:
            self.sums.ends.end_delivered(lane.pop_delivered(len(lane)))
        for item in lane:
            self._endpoints.queue(lane.key, item)

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            if (blocked := self._endpoints.blocked) is not None:
                raise FillError(blocked.what_to_do)
            await asyncio.sleep(_POLL_SECONDS)


def _start(partitions: Sequence[Partition]) -> None:
    for partition in partitions:
        partition.start()


def require_addresses(settings: SailthruSettings) -> None:
    """Raises FillError where users are not found by their addresses."""
    if settings.identity_keys[0] != "email":
        raise FillError(
            "A fill finds users by e-mail address: with SAILTHRU_IDENTITY_KEY="
            f"{settings.identity_key} start the worker, which takes what is there."
        )


async def fill(
    settings: SailthruSettings,
    kafka: KafkaSettings,
    worker: WorkerSettings,
    plan: Plan,
    say: Callable[[str], None],
) -> Sums:
    """Raises FillError, StartError or UnansweredError, each with what to do.

    Cancelled while a job is, or may be, under way, it raises a FillError that says so.
    """
    sink = SailthruSink(settings)
    group = kafka.group(sink.destination)
    async with (
        opened(kafka, worker, group, sink.topics, execute=plan.execute) as (log, parts),
        _letters(kafka, execute=plan.execute) as letters,
        Http.open(settings) as http,
    ):
        for part in parts:
            tp, begin = part.partition.tp, part.partition.offsets.watermark
            say(f"{tp.topic}-{tp.partition}: from offset {begin} to before {part.end}")
        made = Fill(sink, kafka, worker, plan, log, letters, settings.max_concurrent_requests, say)
        jobs = None
        if plan.execute:
            pacer = Pacer(_CEILINGS, ours=settings.rate_limit_share)
            jobs = Jobs(Client(http, settings, pacer), plan.job_seconds, say)
        try:
            if jobs is not None and plan.after_job:
                await jobs.wait_until_ended(plan.after_job)
            await _run(made, parts, jobs, kafka)
        except (FillError, UnansweredError, asyncio.CancelledError) as error:
            if jobs is None or jobs.under_way is None:
                raise
            what = "Stopped." if isinstance(error, asyncio.CancelledError) else str(error)
            raise FillError(f"{what} {jobs.under_way}") from error
        return made.sums


async def _run(made: Fill, parts: Sequence[Part], jobs: Jobs | None, kafka: KafkaSettings) -> None:
    try:
        await made.run(parts, jobs)
    except* (FillError, UnansweredError) as errors:
        raise _first(errors) from None
    except* KafkaError as errors:
        raise FillError(
            f"Kafka at {kafka.bootstrap_servers} fails ({type(_first(errors)).__name__}): run "
            "this again when it has recovered; it goes on after what was committed."
        ) from errors


def _first(errors: BaseExceptionGroup[E]) -> E:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


@asynccontextmanager
async def _letters(kafka: KafkaSettings, *, execute: bool) -> AsyncIterator[DeadLetters]:
    if not execute:
        yield NoDeadLetters()
        return
    async with clients.producer(kafka) as producer:
        yield DeadLetters(producer, kafka.topic(DEAD_LETTERS.name), RecordLimits.of(kafka))
