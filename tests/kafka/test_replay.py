"""The command moves a group's offsets, and exactly what comes after them is delivered again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka
from streams.kafka.clients import admin
from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests.cli.command import run_on
from tests.kafka.deliveries import SAILTHRU, write
from tests.kafka.outside import RECORDS, Outside, outside
from tests.streams.cluster import create, keep, settings

BEGAN = int(time.time()) - 3_600
"""When the first record came, in seconds; each other one came a minute after the one before."""
ALL = range(2 * RECORDS)


@pytest.fixture
async def cluster(kafka: Kafka, prefix: str) -> KafkaSettings:
    """With events of users 0 to 5 in the first partition, of 6 to 11 in the second."""
    made = settings(kafka, prefix)
    await create(made)
    await keep(made, EVENTS)
    await write(made, SAILTHRU, lambda number: BEGAN + 60 * (number % RECORDS))
    return made


@pytest.fixture
async def world(cluster: KafkaSettings, tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(cluster, tmp_path) as made:
        yield made


async def offsets(cluster: KafkaSettings) -> Mapping[TopicPartition, int]:
    async with admin(cluster) as client:
        found = await client.list_consumer_group_offsets(cluster.group("sailthru"))
    return {tp: at.offset for tp, at in found.items() if tp.topic == cluster.topic(EVENTS.name)}


@asynccontextmanager
async def working(world: Outside) -> AsyncIterator[None]:
    """A worker that has delivered all there is."""
    worker = world.start("sailthru")
    try:
        async with asyncio.timeout(60), Lag.open(world.cluster) as lag:
            while not (await lag.of("sailthru", READS["sailthru"])).done:
                assert worker.code is None, "the worker ended by itself"
                await asyncio.sleep(0.1)
        yield
    finally:
        code = await worker.stop()
    assert code == 0


async def work_off(world: Outside) -> None:
    async with working(world):
        pass


@pytest.mark.kafka
async def test_what_came_since_a_time_is_delivered_again_in_the_partition_that_was_moved(
    cluster: KafkaSettings, world: Outside
) -> None:
    at = datetime.fromtimestamp(BEGAN + 60 * 4 - 1, UTC).isoformat()
    chosen = ("replay", "sailthru", "--to", at, "--topic", "events", "--partition", "1")
    await work_off(world)
    stood = await offsets(cluster)
    world.sent.clear()

    shown = await run_on(cluster, *chosen)
    assert shown.returncode == 0
    assert [line.split() for line in shown.stdout.splitlines()[:-1]] == [
        ["topic", "partition", "from", "to", "records"],
        [cluster.topic(EVENTS.name), "1", "6", "4", "2"],
    ]
    assert "Nothing was moved: with --execute 2 records" in shown.stdout
    assert await offsets(cluster) == stood

    moved = await run_on(cluster, *chosen, "--execute")
    assert moved.stdout.splitlines()[:-1] == shown.stdout.splitlines()[:-1]
    await work_off(world)
    assert world.sent == Counter([10, 11])

    world.sent.clear()
    await run_on(cluster, "replay", cluster.group("sailthru"), "--to", "earliest", "--execute")
    await work_off(world)
    assert world.sent == Counter(ALL)

    world.sent.clear()
    await run_on(cluster, "replay", "sailthru", "--to", "5", "--topic", "events", "--execute")
    await work_off(world)
    assert world.sent == Counter([5, 11])


@pytest.mark.kafka
async def test_a_group_with_a_live_worker_is_shown_and_not_moved(
    cluster: KafkaSettings, world: Outside
) -> None:
    async with working(world):
        stood = await offsets(cluster)
        stop = (
            f"The group {cluster.group('sailthru')} has live members: stop its workers first, and "
            "with KAFKA_GROUP_INSTANCE_ID put them out of it (mparticle-streams leave), or wait "
            "for KAFKA_SESSION_TIMEOUT_S."
        )
        shown = await run_on(cluster, "replay", "sailthru", "--to", "2h")
        assert shown.returncode == 0
        assert shown.stdout.endswith(f"12 records are delivered again. {stop}\n")
        refused = await run_on(cluster, "replay", "sailthru", "--to", "2h", "--execute")
        assert (refused.returncode, refused.stderr) == (1, f"Error: {stop}\n")
        assert await offsets(cluster) == stood
    assert world.sent == Counter(ALL)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sailthru", "--to", "earliest"), "has no offsets at 127.0.0.1:"),
        (("sailthru", "--to", "3"), "An offset means nothing without --topic."),
        (("braze", "--to", "2h"), "There is no worker braze: there are router, "),
        (("router", "--to", "noon"), "noon is no time: give one such as "),
    ],
)
async def test_what_cannot_be_moved_says_what_to_do(
    kafka: Kafka, prefix: str, arguments: tuple[str, ...], says: str
) -> None:
    said = await run_on(settings(kafka, prefix), "replay", *arguments)
    assert said.returncode != 0
    assert says in said.stderr
