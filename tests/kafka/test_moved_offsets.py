"""A person moves a group's offsets with Kafka's own command while its workers are down."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.demo.lag import Lag
from sandbox.kafka import Kafka, command_line
from streams.kafka.commit_metadata import Progress, encode
from streams.settings import KafkaSettings
from tests.kafka.deliveries import AB_TASTY, ROUTER, SAILTHRU, Delivery, work_off, write
from tests.kafka.outside import RECORDS, outside
from tests.streams.cluster import assigned, commit, create, settings

RESET = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("delivery", "how", "again"),
    [
        (ROUTER, ("--to-offset", "2"), range(2, 6)),
        (SAILTHRU, ("--shift-by", "-3"), range(3, 6)),
        (AB_TASTY, ("--to-offset", "4"), range(4, 6)),
    ],
    ids=["router", "sailthru", "ab-tasty"],
)
async def test_exactly_what_is_behind_a_moved_offset_is_delivered_again(
    kafka: Kafka, prefix: str, tmp_path: Path, delivery: Delivery, how: Sequence[str], again: range
) -> None:
    """And where another tool has copied our text beside the offset, the text does not count.

    `again` are the users in the first partition's range.
    """
    cluster = settings(kafka, prefix)
    group, topic = cluster.group(delivery.worker), cluster.topic(delivery.topic.name)
    await create(cluster)
    await write(cluster, delivery)
    async with outside(cluster, tmp_path) as world, Lag.open(cluster) as lag:
        await work_off(world, lag, delivery)
        assert world.sent == Counter(range(2 * RECORDS))

        world.sent.clear()
        await move(kafka, group, f"{topic}:0", *how)
        cluster_id = await cluster_of(cluster, group, topic)
        copied = encode(Progress(0, ((2, 5),)), cluster_id)
        await commit(cluster, group, {(topic, 1): (1, copied)})
        await work_off(world, lag, delivery)
        assert world.sent == Counter([*again, *range(RECORDS + 1, 2 * RECORDS)])


async def move(kafka: Kafka, group: str, partition: str, *how: str) -> None:
    arguments = (
        "--bootstrap-server", kafka.bootstrap, "--group", group, "--topic", partition,
        "--reset-offsets", *how, "--execute",
    )  # fmt: skip
    tool = await asyncio.create_subprocess_exec(
        *command_line(RESET, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await tool.communicate()
    assert tool.returncode == 0, said.decode()


async def cluster_of(cluster: KafkaSettings, group: str, topic: str) -> str:
    """The cluster's id, as the worker itself has written it beside its offset."""
    async with assigned(cluster, group, [(topic, 1)]) as consumer:
        partitions = list(consumer.assignment())
        committed = await consumer._coordinator.fetch_committed_offsets(partitions)
    [(_, text)] = committed.values()
    return str(text.split("|")[1])
