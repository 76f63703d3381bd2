"""A delivery as the engine drives it: chunks in, ends out, partitions that come and go."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from models.dead_letter import DeadLetter
from streams.dead_letters.writer import DeadLetters
from streams.delivery.completion import Completion
from streams.delivery.components import Components
from streams.delivery.delivery import Delivery
from streams.delivery.history import Group, History, Tell
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import NoBarrier, UpdateBarrier
from streams.delivery.policy import BreakerPolicy, DeliveryPolicy, ResendPolicy, RetryPolicy
from streams.delivery.sink import Outlet
from streams.engine.partition import Partition
from streams.engine.refusals import Refusals
from streams.kafka.commit_metadata import Progress
from streams.kafka.log_end import LogEnd
from streams.kafka.tables import FollowedTable
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES, EVENTS, USER_UPDATE, Topic
from tests.streams.delivery.scripted import ScriptedSink
from tests.streams.records import event_source, fetch, new_partition

AT_ONCE = DeliveryPolicy(
    retry=RetryPolicy(backoff_s=(0.0,)),
    breaker=BreakerPolicy(probe_s=(0.0,), blocked_probe_s=0.0),
    resend=ResendPolicy(look_s=0.02),
    fence_poll_s=0.0,
)
"""Pauses that last no time: not how long they are is the subject, but what happens after them."""


class Letters(DeadLetters):
    """Keeps what would be written."""

    def __init__(self) -> None:
        self.written: list[DeadLetter] = []

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        await asyncio.sleep(0)
        self.written += letters

    @property
    def told(self) -> list[tuple[int, str]]:
        """Offsets and reasons."""
        return [(letter.offset, letter.reason) for letter in self.written]


class Past(History):
    """What ended before this worker came, without a Kafka to read it from."""

    def __init__(self, records: Sequence[ConsumerRecord]) -> None:
        self._records = records
        self.read_back: list[TP] = []
        self.shares: list[int] = []
        self.broken = False
        self.only(1_000)

    def only(self, groups: int) -> None:
        """Has no more groups read, until a test releases them."""
        self.readable = asyncio.Semaphore(groups)

    async def read(
        self, groups: Sequence[Group], share: int, tell: Tell
    ) -> AsyncGenerator[Group, None]:
        self.shares.append(share)
        if self.broken:
            raise ZeroDivisionError
        for group in groups:
            await self.readable.acquire()
            for partition in group:
                self.read_back.append(partition.tp)
                for record in self._records:
                    if TP(record.topic, record.partition) == partition.tp:
                        tell(partition, record)
            yield group


class NoAudiences(FollowedTable):
    """Of which all is known at once."""

    async def run(self) -> None:
        self._whole.set()


class KnownEnd(LogEnd):
    """The end of `user-update` in every partition, as a test sets it."""

    def __init__(self) -> None:
        self.end = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    async def of(self, partition: int) -> int:
        return self.end


class Flow:
    """One delivery and what it does to a scripted destination.

    `destination` and `letters` may be those that an earlier delivery of the same test has filled.
    """

    def __init__(
        self,
        *,
        connections: int = 16,
        most: int = 100,
        max_rejected_share: float = 1.0,
        past: Sequence[ConsumerRecord] = (),
        destination: ScriptedSink | None = None,
        outlet: Outlet | None = None,
        letters: Letters | None = None,
        one_lane: bool = False,
        topics: tuple[Topic, ...] = (USER_UPDATE, EVENTS),
        policy: DeliveryPolicy = AT_ONCE,
    ) -> None:
        self.sink = destination or ScriptedSink(most, one_lane=one_lane)
        self.sink.topics = topics
        self.letters = letters or Letters()
        self.updates = KnownEnd()
        self.member = True
        """Whether the worker surely still is in its group."""
        self.refusals = Refusals()
        self.past = Past(past)
        outlet = outlet or Outlet.of(self.sink)
        deduplication = Deduplication(10_000)
        barrier: UpdateBarrier = NoBarrier()
        if USER_UPDATE in topics:
            barrier = UpdateBarrier(USER_UPDATE.name, self.updates, policy, outlet.prepares)
        self.barrier = barrier
        components = Components(
            outlet,
            {topic.name: topic for topic in self.sink.topics},
            Completion("scripted", self.letters, deduplication, barrier),
            deduplication,
            Staleness(10_000),
            barrier,
            lambda: self.member,
            policy,
        )
        self.delivery = Delivery(
            components,
            self.past,
            NoAudiences.of_values(KafkaSettings(), AUDIENCES, outlet.learn),
            connections,
            max_rejected_share,
            refusals=self.refusals,
        )
        self._run: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Flow"]:
        self._run = asyncio.create_task(self.delivery.run())
        try:
            yield self
        finally:
            self._run.cancel()
            with suppress(asyncio.CancelledError):
                await self._run

    async def assign(
        self, start: Progress | int = 0, *, number: int = 0, topic: Topic = EVENTS
    ) -> Partition:
        partition = new_partition(start, number=number, topic=topic.name)
        await self.delivery.assigned([partition])
        await self.until(lambda: partition.started)
        return partition

    async def accept(self, partition: Partition, records: Sequence[ConsumerRecord]) -> None:
        await self.delivery.accept(fetch(partition, records))

    async def revoke(self, *partitions: Partition, deadline: float = 5.0) -> None:
        """As the consumer does it: closed first, then drained."""
        for partition in partitions:
            partition.closed = True
        await self.delivery.revoked(partitions, deadline)

    async def until(self, reached: Callable[[], Any]) -> None:
        """Waits for a state; fails at once when the delivery does."""
        async with asyncio.timeout(60):
            while not reached():
                if self._run is not None and self._run.done():
                    await self._run
                await asyncio.sleep(0)

    async def settled(self, *partitions: Partition) -> None:
        """Waits until every record of these partitions has ended."""
        await self.until(lambda: not any(p.offsets.waiting for p in partitions))

    async def given(self, *fates: tuple[str, str]) -> Partition:
        """Accepts one event for each (user, fate), in one chunk of a new partition."""
        partition = await self.assign()
        await self.accept(partition, log(*fates))
        return partition


def log(*fates: tuple[str, str], start: int = 0, number: int = 0) -> list[ConsumerRecord]:
    """A partition's events, from offset `start` on; their ids name user, partition and offset."""
    return [
        event_source(user, fate, offset, partition=number)
        for offset, (user, fate) in enumerate(fates, start)
    ]


async def some_turns() -> None:
    """Long enough for all that could happen without waiting for time."""
    for _ in range(100):
        await asyncio.sleep(0)


def of_user(user: str, ids: Iterable[str]) -> list[int]:
    """The offsets of one user's events."""
    return [int(id_.rsplit("/", 1)[1]) for id_ in ids if id_.startswith(f"{user}/")]
