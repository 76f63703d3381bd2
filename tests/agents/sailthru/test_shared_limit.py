"""Two workers, one account: over the sandbox's Kafka and real HTTP; counts alone decide."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agents.sailthru.sink import SailthruSink
from sandbox.kafka import Kafka
from sandbox.sailthru import PUBLISHED_CEILINGS
from streams.dead_letters.writer import FloodGuard
from streams.delivery.completion import Completion
from streams.delivery.components import Components
from streams.delivery.lane import Item
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import NoBarrier
from streams.delivery.policy import DeliveryPolicy
from streams.delivery.rate_limit.demand_exchange import DemandExchange
from streams.delivery.sending.endpoints import Endpoints
from streams.delivery.sink import LaneKey, Outlet, Placement
from streams.settings import KafkaSettings
from streams.topics import RATE_LIMITS, USER_UPDATE
from tests.agents.sailthru.factories import NOW_MS, attributes
from tests.agents.sailthru.simulated import Simulated, settings, simulated
from tests.streams import cluster
from tests.streams.delivery.flow import Letters
from tests.streams.records import fetch, new_partition, source

pytestmark = pytest.mark.kafka

PER_SECOND = 200
CEILINGS = {**PUBLISHED_CEILINGS, "POST user": PER_SECOND * 60}
SECONDS = 120.0


class Worker:
    """A worker from its lanes on: what it is given comes from a test and not from Kafka."""

    def __init__(self, name: str, kafka: KafkaSettings, url: str) -> None:
        self._name = name
        self._sink = SailthruSink(settings(base_url=url))
        self._sharing = DemandExchange(kafka, "sailthru", lambda: 1.0)
        deduplication = Deduplication(10_000)
        components = Components(
            Outlet.of(self._sink),
            {USER_UPDATE.name: USER_UPDATE},
            Completion("sailthru", Letters(), deduplication, NoBarrier()),
            deduplication,
            Staleness(10_000),
            NoBarrier(),
            lambda: True,
            DeliveryPolicy(),
        )
        self._endpoints = Endpoints(components, 32, FloodGuard(1.0), self._sharing)
        self._partition = new_partition(topic=USER_UPDATE.name)
        self._task = asyncio.create_task(self._endpoints.run())

    def give(self, users: int) -> None:
        sources = [source(b"", number, topic=USER_UPDATE.name) for number in range(users)]
        fetch(self._partition, sources)
        for number, each in enumerate(sources):
            record = attributes(f"{self._name}{number}@shop.example", tier="gold")
            lane = self._sink.place(record, Placement(f"{self._name}{number}", 0), NOW_MS)
            assert isinstance(lane, LaneKey)
            self._endpoints.queue(lane, Item(each, self._partition, NOW_MS, record=record))

    @property
    def left(self) -> int:
        if self._task.done():
            self._task.result()
        return self._partition.offsets.waiting

    @property
    def share(self) -> float:
        return self._sharing.shares.share("user")

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@asynccontextmanager
async def working(name: str, kafka: KafkaSettings, url: str) -> AsyncIterator[Worker]:
    worker = Worker(name, kafka, url)
    try:
        yield worker
    finally:
        await worker.stop()


async def until(reached: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while not reached():  # noqa: ASYNC110 - shares have no event
            await asyncio.sleep(0.02)


async def test_two_workers_share_a_limit_by_what_they_have_to_send(
    kafka: Kafka, prefix: str
) -> None:
    to = cluster.settings(kafka, prefix)
    await cluster.create(to, [RATE_LIMITS])
    async with (
        simulated(ceilings=CEILINGS) as sailthru,
        working("much", to, sailthru.url) as much,
        working("little", to, sailthru.url) as little,
    ):
        started = time.monotonic()
        much.give(1_500)
        little.give(300)
        await until(lambda: much.share > 0 and little.share > 0)
        await until(lambda: not little.left and much.share > 0.9)
        assert much.left, "it got the rest while it had work"
        await little.stop()
        await until(lambda: much.share == 1)
        await until(lambda: not much.left)
        accepted, refused = answers(sailthru)

        assert accepted == 1_800
        assert refused <= 0.02 * accepted
        # The limit, what may be caught up, and what may go at once.
        most = PER_SECOND * 1.1 * (time.monotonic() - started + 0.2) + 2
        assert accepted <= most


def answers(sailthru: Simulated) -> tuple[int, int]:
    counted = sailthru.service.counts["POST user"]
    return counted["200"], counted["429"]


async def test_a_worker_without_the_topic_goes_on_as_if_alone(kafka: Kafka, prefix: str) -> None:
    to = cluster.settings(kafka, prefix)
    async with (
        simulated(ceilings=CEILINGS) as sailthru,
        working("alone", to, sailthru.url) as worker,
    ):
        worker.give(50)
        await until(lambda: not worker.left)

        assert answers(sailthru)[0] == 50
