"""Groups that are deleted, partitions that are added: nothing comes unasked, nothing overtakes."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka, command_line
from streams.kafka.static_members import members
from streams.settings import KafkaSettings
from streams.topics import RAW, USER_UPDATE
from tests.cli.command import SECONDS
from tests.cli.messages import attribute, event_batch
from tests.kafka.log import everything
from tests.kafka.routers import Router, eventually, running
from tests.streams.cluster import add_partitions, commit, configure, create, producing, settings

pytestmark = pytest.mark.kafka

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
MPID = "77"
BACKLOG = 4_000


def told(number: int) -> bytes:
    """A message that changes the user once more."""
    return event_batch(attribute("n", number), mpid=MPID)


async def write(to: KafkaSettings, values: Sequence[bytes], partition: int) -> None:
    async with producing(to) as producer:
        for value in values:
            sent = await producer.send(to.topic(RAW.name), value, MPID.encode(), partition)
        await sent


async def done(to: KafkaSettings, router: Router) -> None:
    async with asyncio.timeout(SECONDS), Lag.open(to) as lag:
        while not (await lag.of("router", READS["router"])).done:
            assert router.process.code is None, router.said()
            await asyncio.sleep(0.04)


async def routed(to: KafkaSettings) -> list[int]:
    """The numbers of the changes, in the order in which they are on the topic."""
    bodies = [orjson.loads(record.value) for record in await everything(to, USER_UPDATE)]
    return [int(each["attributes"]["n"]) for each in bodies if each.get("attributes")]


async def test_what_a_user_did_before_partitions_were_added_is_routed_first(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """Their messages go to another partition since, and the backlog is in the old one."""
    cluster = settings(kafka, prefix, partitions=2)
    await create(cluster)
    await commit(
        cluster,
        cluster.group("router"),
        dict.fromkeys([(cluster.topic(RAW.name), n) for n in (0, 1)], (0, "")),
    )
    router = Router(cluster, tmp_path / "before.log")
    async with running(router):
        await write(cluster, [told(0)], 0)
        await done(cluster, router)
        assert await router.process.stop() == 0
    await write(cluster, [told(number) for number in range(1, BACKLOG)], 0)
    # No multiple: for one, workers wait until all writers have heard of it.
    await add_partitions(cluster, RAW, 5)
    await write(cluster, [told(number) for number in range(BACKLOG, BACKLOG + 5)], 3)

    router = Router(cluster, tmp_path / "after.log")
    async with running(router):
        await done(cluster, router)
        assert await router.process.stop() == 0
    assert await routed(cluster) == list(range(BACKLOG + 5))


async def test_partitions_added_to_a_running_group_wait_for_what_was_before_and_are_told(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """While Kafka takes nothing of what comes of the old partition."""
    cluster = settings(kafka, prefix, partitions=2)
    raw = cluster.topic(RAW.name)
    await create(cluster)
    await commit(cluster, cluster.group("router"), {(raw, 0): (0, ""), (raw, 1): (0, "")})
    router = Router(cluster, tmp_path / "log", WORKER_SHUTDOWN_TIMEOUT_S="1")
    async with running(router):
        await write(cluster, [told(0)], 0)
        await done(cluster, router)
        await configure(cluster, USER_UPDATE, {"min.insync.replicas": "2"})
        await write(cluster, [told(number) for number in range(1, 10)], 0)
        await add_partitions(cluster, RAW, 5)
        await write(cluster, [told(number) for number in range(10, 15)], 3)
        await eventually(lambda: "partitions_seen" in router.said())
        await configure(cluster, USER_UPDATE, {"min.insync.replicas": "1"})
        await done(cluster, router)
        assert await router.process.stop() == 0

    assert f"{raw}-2, {raw}-3, {raw}-4 were added" in router.said()
    # What the drain could not wait for was written twice.
    assert list(dict.fromkeys(await routed(cluster))) == list(range(15))


async def test_a_group_that_was_deleted_while_its_worker_was_away_does_not_begin_anew_unasked(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    group = cluster.group("router")
    await create(cluster)
    await commit(cluster, group, {(cluster.topic(RAW.name), 0): (0, "")})
    router = Router(cluster, tmp_path / "log", KAFKA_SESSION_TIMEOUT_S="2")
    async with running(router):
        await write(cluster, [told(0)], 0)
        await done(cluster, router)
        router.process.send_signal(signal.SIGSTOP)
        while await members(cluster, group):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.04)
        words = ("--bootstrap-server", kafka.bootstrap, "--group", group, "--delete")
        delete = command_line(GROUPS, *words)
        assert await (await asyncio.create_subprocess_exec(*delete)).wait() == 0
        router.process.send_signal(signal.SIGCONT)
        await eventually(lambda: router.process.code is not None)

    assert router.process.code != 0
    assert f"Kafka has forgotten how far the group {group} was" in router.said()
    assert await routed(cluster) == [0]
