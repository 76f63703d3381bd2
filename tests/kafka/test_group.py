"""A worker and its group: what Kafka refuses is told, and a stop waits for no other member."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.kafka.routers import SECONDS, Router, eventually, running
from tests.streams.cluster import create, settings

pytestmark = pytest.mark.kafka


@pytest.fixture
async def cluster(kafka: Kafka, prefix: str) -> KafkaSettings:
    to = settings(kafka, prefix)
    await create(to)
    return to


async def test_of_two_workers_with_one_instance_id_one_ends_and_names_the_setting(
    cluster: KafkaSettings, tmp_path: Path
) -> None:
    """One value in the environment of a Deployment with two replicas."""
    given = {"KAFKA_GROUP_INSTANCE_ID": "router", "KAFKA_SESSION_TIMEOUT_S": "6"}
    twins = [Router(cluster, tmp_path / f"{number}.log", **given) for number in range(2)]
    async with running(*twins):
        await eventually(lambda: any(each.process.code is not None for each in twins))
        ended = next(each for each in twins if each.process.code is not None)

    assert ended.process.code not in {0, None}
    assert "nother process is in this group as router too" in ended.said()
    assert "KAFKA_GROUP_INSTANCE_ID of its own" in ended.said()


async def test_a_session_time_out_that_the_brokers_do_not_allow_ends_the_worker(
    cluster: KafkaSettings, tmp_path: Path
) -> None:
    router = Router(cluster, tmp_path / "log", KAFKA_SESSION_TIMEOUT_S="0.5")
    async with running(router):
        await eventually(lambda: router.process.code is not None)

    assert router.process.code != 0
    assert "set KAFKA_SESSION_TIMEOUT_S to what the brokers allow" in router.said()


@asynccontextmanager
async def member(
    to: KafkaSettings,
    assignor: type,
    listener: ConsumerRebalanceListener | None = None,
) -> AsyncIterator[AIOKafkaConsumer]:
    """Somebody else in the router's group."""
    consumer = clients.new_consumer(
        to,
        group_id=to.group("router"),
        partition_assignment_strategy=[assignor],
        rebalance_timeout_ms=60_000,
        heartbeat_interval_ms=200,
    )
    consumer.subscribe([to.topic(RAW.name)], listener=listener)
    await consumer.start()
    try:
        async with asyncio.timeout(SECONDS):
            while not consumer.assignment():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        yield consumer
    finally:
        await consumer.stop()


async def test_a_stranger_in_the_group_is_told_until_it_has_gone(
    cluster: KafkaSettings, tmp_path: Path
) -> None:
    async with member(cluster, RoundRobinPartitionAssignor) as stranger:
        # As each program does: without an offset the router would end, and be started again.
        await stranger.commit(dict.fromkeys(stranger.assignment(), 0))
        router = Router(cluster, tmp_path / "log")
        await eventually(lambda: "InconsistentGroupProtocolError" in router.why_not())
        why_not = router.why_not()
    async with running(router):
        await eventually(lambda: '"ready":true' in router.why_not())

    assert "end the other program that is in this group, or set KAFKA_PREFIX" in why_not


class Unhurried(ConsumerRebalanceListener):  # type: ignore[misc]  # without type marks
    """A member that gives nothing back, and so keeps the others waiting."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.done = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if revoked:
            self.asked.set()
            await self.done.wait()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Takes what it is given."""


async def test_a_worker_that_is_joining_stops_when_it_is_told(
    cluster: KafkaSettings, tmp_path: Path
) -> None:
    others = Unhurried()
    async with member(cluster, RangePartitionAssignor, others):
        router = Router(cluster, tmp_path / "log")
        async with running(router):
            async with asyncio.timeout(SECONDS):
                await others.asked.wait()
            # Past its own deadline it would end with another code.
            code = await router.process.stop()
        others.done.set()

    assert code == 0
