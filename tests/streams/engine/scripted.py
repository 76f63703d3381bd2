"""What is around a consumer, without a broker: Kafka answers from a script, nobody works."""

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from streams.engine.chunks import Chunk
from streams.engine.consumer import Consumer
from streams.engine.partition import Partition
from streams.kafka.buffered_records import Fetched
from streams.kafka.commit_metadata import NOTHING_SEEN, Progress, Sight
from streams.kafka.log_bounds import Bounds
from streams.outcomes import Blocked
from streams.topics import RAW
from tests.streams.records import source

HERE = TP(RAW.name, 0)
BESIDE = TP(RAW.name, 1)


class Kafka:
    """In place of the thread that owns aiokafka's consumer."""

    def __init__(self) -> None:
        self.takes_commits = True
        self.commits: list[Mapping[TP, Progress]] = []
        """What was committed, but for what was seen of the topics, which is in `sights`."""
        self.sights: dict[TP, Sight] = {}
        self.seeks: list[Mapping[TP, int]] = []
        self.first, self.end = 0, 100
        # Where a transaction that is open begins.
        self.open_from = math.inf
        self.silent: dict[TP, KafkaError] = {}
        """Partitions that answer nothing, and why."""
        self.start = Progress(0)
        """Where the group has come to, but in what is in `unknown`."""
        self.unknown: set[TP] = set()
        self.fetched: list[list[ConsumerRecord]] = []
        self.marks = 0
        """How many offsets after the records of a fetch are Kafka's own."""
        self.begins = 0
        """Where the next fetch begins after one that brought nothing."""
        self.errors: dict[TP, Exception] = {}
        """What keeps a partition from being read at `begins`, and why."""
        self.behind: dict[TP, int] = {}
        """Where the batch after an unreadable one begins."""
        self.rejoins = 0
        self.reads: Collection[TP] = {HERE, BESIDE}
        self.waits: list[float] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """What happens while Kafka answers the next question."""

    async def fetch(self, active: Collection[TP], seconds: float) -> Fetched:
        self.waits.append(seconds)
        await self._answer()
        if errors := {tp: each for tp, each in self.errors.items() if tp in active}:
            at = dict.fromkeys(errors, self.begins)
            return Fetched(positions=at, errors=errors, behind=self.behind)
        if not self.fetched:
            return Fetched()
        records = self.fetched.pop(0)
        end = records[-1].offset + 1 + self.marks if records else self.begins
        return Fetched({HERE: records}, {HERE: end})

    async def log_bounds(self, tps: Collection[TP]) -> Mapping[TP, Bounds | KafkaError]:
        await self._answer()
        there = Bounds(self.first, self.end, int(min(self.end, self.open_from)))
        return {tp: self.silent.get(tp, there) for tp in tps}

    async def read_progress(self, tps: Collection[TP]) -> Mapping[TP, Progress]:
        return dict.fromkeys(set(tps) - self.unknown, self.start)

    def read_by_group(self) -> Collection[TP]:
        return self.reads

    async def seek_to(self, positions: Mapping[TP, int], generation: int | None = None) -> bool:
        if positions:
            self.seeks.append(dict(positions))
        return True

    async def rejoin(self) -> None:
        self.rejoins += 1

    async def commit_progress(self, progress: Mapping[TP, Progress]) -> bool:
        await self._answer()
        if self.takes_commits:
            self.sights |= {tp: each.sight for tp, each in progress.items()}
            plain = {tp: replace(each, sight=NOTHING_SEEN) for tp, each in progress.items()}
            self.commits.append(plain)
        return self.takes_commits

    async def _answer(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()


class Work:
    """A processor that does nothing by itself, and breaks when it runs."""

    blocked: Blocked | None = None
    limited: str | None = None
    waits_on_purpose = False

    def __init__(self, *, starts: bool = True) -> None:
        self.starts = starts
        self.gone: list[Partition] = []
        self.on_hold: list[Partition] = []

    async def run(self) -> None:
        raise ZeroDivisionError

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            if self.starts:
                partition.start()

    async def held(self, partitions: Sequence[Partition]) -> None:
        self.on_hold += partitions

    async def accept(self, chunk: Chunk) -> None:
        pass

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        self.gone += partitions


def log(*offsets: int) -> list[ConsumerRecord]:
    return [source(b"{}", offset, topic=RAW.name) for offset in offsets]


async def chunks(consumer: Consumer) -> list[Any]:
    """What one fetch hands on."""
    return [message.value async for _, message in consumer.getmany(1.0)]


async def rebalance(consumer: Consumer) -> None:
    """The same partition goes and comes back."""
    await consumer.drain()
    await consumer.take_over(frozenset({HERE}), 2)
