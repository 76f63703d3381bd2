"""Workers of the Sailthru destination as the engine drives them, on a Kafka and a simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import ConsumerRecord

from agents.sailthru.list_state import ListPolicy
from agents.sailthru.sink import SailthruSink
from models.record import Record
from streams.engine.partition import Partition
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, USER_UPDATE
from tests.agents.sailthru.factories import membership
from tests.agents.sailthru.simulated import Simulated, settings
from tests.streams.delivery.flow import Flow
from tests.streams.records import stored

PARTITIONS = 2


def named(partition: int, start: int = 0) -> str:
    """The name of a list that is for the holder of that partition to make."""
    every, choose = list(range(PARTITIONS)), DefaultPartitioner()
    names = (f"Audience {number}" for number in count(start))
    return next(name for name in names if choose(name.encode(), every, every) == partition)


class Worker:
    """One worker with one partition, and what it is given."""

    def __init__(self, flow: Flow, sink: SailthruSink, partition: Partition) -> None:
        self.flow = flow
        self.sink = sink
        self.partition = partition

    async def accept(self, *records: Record) -> None:
        start = self.partition.offsets.position
        await self.flow.accept(self.partition, log(records, start, self.partition.tp.partition))

    async def ended(self) -> None:
        await until(lambda: not self.partition.offsets.waiting)


def log(records: Sequence[Record], start: int, partition: int) -> list[ConsumerRecord]:
    """Each of a user of its own."""
    return [
        stored(record, offset, key=f"{partition}/{offset}".encode(), partition=partition)
        for offset, record in enumerate(records, start)
    ]


@asynccontextmanager
async def working(
    to: KafkaSettings,
    sailthru: Simulated,
    number: int = 0,
    connections: int = 8,
    max_rejected_share: float = 1.0,
    **changed: Any,
) -> AsyncIterator[Worker]:
    given = {"base_url": sailthru.url, "timeout_s": 0.5, **changed}
    sink = SailthruSink(settings(**given), to, ListPolicy(look_s=0.02))
    # The scripted destination's place in a flow is any sink's.
    flow = Flow(
        connections=connections,
        max_rejected_share=max_rejected_share,
        destination=sink,  # type: ignore[arg-type]
        topics=(USER_UPDATE, AUDIENCE_MEMBERSHIP),
    )
    async with flow.running():
        partition = await flow.assign(number=number, topic=AUDIENCE_MEMBERSHIP)
        # Cancelled while it starts, a consumer of aiokafka's leaves a connection behind.
        await until(lambda: sink.lists.serves(number))
        yield Worker(flow, sink, partition)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - services and offsets have no event
            await asyncio.sleep(0.01)


def people(number: int, audience_name: str, start: int = 0) -> list[Record]:
    return [
        membership(
            f"user{start + each}@shop.example", audience=audience_name, audience_id=audience_name
        )
        for each in range(number)
    ]


def members(sailthru: Simulated, name: str) -> int:
    return sum(name in each["lists"] for each in sailthru.profiles().values())
