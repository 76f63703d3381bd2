"""Two workers with names of their own are restarted one after the other, and traffic goes on."""

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka
from streams.settings import KafkaSettings
from streams.topics import EVENTS, RAW
from tests.chaos.oracle.evidence import read_groups
from tests.cli.command import SECONDS
from tests.cli.messages import custom_event, event_batch
from tests.kafka.log import everything
from tests.kafka.routers import Router, eventually, running
from tests.streams.cluster import commit, create, producing, settings

NAMES = ("router-0", "router-1")
PAUSE_SECONDS = 0.02
"""Between two messages."""


@pytest.mark.kafka
@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_repeated_and_the_group_does_not_rebalance(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    group = cluster.group("router")
    await create(cluster)
    await commit(cluster, group, {(cluster.topic(RAW.name), number): (0, "") for number in (0, 1)})

    async with AsyncExitStack() as stack:

        async def start(name: str) -> Router:
            given = {"KAFKA_GROUP_INSTANCE_ID": name, "KAFKA_SESSION_TIMEOUT_S": "60"}
            router = Router(cluster, tmp_path / f"{name}.log", **given)
            await stack.enter_async_context(running(router))
            return router

        routers = {name: await start(name) for name in NAMES}
        for each in routers.values():
            await ready(each)
        before = await generations(kafka, group)
        over = asyncio.Event()
        writing = asyncio.create_task(write_until(over, cluster))
        for name, old in routers.items():
            assert await old.process.stop() == 0
            await ready(await start(name))
        over.set()
        written = await writing
        async with asyncio.timeout(SECONDS), Lag.open(cluster) as lag:
            while not (await lag.of("router", READS["router"])).done:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.04)

    names = [orjson.loads(record.value)["name"] for record in await everything(cluster, EVENTS)]
    assert Counter(names) == Counter(f"event {number}" for number in range(written))
    assert written > 0
    assert await generations(kafka, group) == before


async def ready(router: Router) -> None:
    await eventually(lambda: '"ready":true' in router.why_not())


async def write_until(over: asyncio.Event, to: KafkaSettings) -> int:
    """A message to each partition in turn; returns how many there were."""
    number = 0
    async with producing(to) as producer:
        while not over.is_set():
            value = event_batch(custom_event(f"event {number}"), mpid=str(number))
            await producer.send_and_wait(to.topic(RAW.name), value, partition=number % 2)
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)
    return number


async def generations(kafka: Kafka, group: str) -> Collection[int]:
    """One for each time that the group has divided its partitions."""
    return (await read_groups(kafka.bootstrap))[group].generations
