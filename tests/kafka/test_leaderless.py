"""A partition without a leader holds only itself, at a start too."""

import asyncio
import signal
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.engine.startup import StartError
from streams.kafka.clients import admin
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.cli.command import SECONDS
from tests.cli.messages import event_batch
from tests.started_workers import at_kafka, by_command, counted, eventually, get, serving
from tests.streams.cluster import commit, create, prepare, settings, write

# Other topics have lost partitions too.
NOTHING_TO_WRITE = event_batch(mpid="17")
TWO_DISKS = {
    "log.dirs": "data,disk",
    "offsets.topic.num.partitions": 1,
    # A disk is found to be lost when the broker next writes to it.
    "replica.high.watermark.checkpoint.interval.ms": 200,
}


def on_the_disk(kafka: Kafka, to: KafkaSettings) -> set[int]:
    """The raw topic's partitions there."""
    found = (kafka.directory / "disk").glob(f"{to.topic(RAW.name)}-*")
    return {int(path.name.rpartition("-")[2]) for path in found}


async def leaders(to: KafkaSettings) -> dict[int, int]:
    async with admin(to) as client:
        (described,) = await client.describe_topics([to.topic(RAW.name)])
    return {each["partition"]: each["leader"] for each in described["partitions"]}


@pytest.mark.kafka
async def test_a_worker_starts_without_the_partition_that_has_no_leader(prefix: str) -> None:
    async with Kafka(settings=TWO_DISKS) as kafka:
        cluster = settings(kafka, prefix, partitions=2)
        raw, group = cluster.topic(RAW.name), cluster.group("router")
        # First of all, so that each disk has one of its partitions.
        await create(cluster, [RAW])
        while not (found := on_the_disk(kafka, cluster)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        (lost,) = found
        there = 1 - lost
        # While both disks have as many: then Kafka takes the first, which stays.
        await commit(cluster, group, {(raw, number): (0, "") for number in range(2)})
        await create(cluster)
        assert not list((kafka.directory / "disk").glob("__consumer_offsets-*"))
        for number in range(2):
            await write(cluster, RAW, NOTHING_TO_WRITE, partition=number)
        (kafka.directory / "disk").rename(kafka.directory / "lost")
        (kafka.directory / "disk").write_text("no directory any more")
        while (await leaders(cluster))[lost] != -1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

        with serving(by_command("router"), at_kafka(kafka, prefix)) as (process, url):
            eventually(lambda: counted(url, "records_completed") == 1, process)
            status, why = get(f"{url}/ready")
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0

        # A group begins on all partitions at once, and says of which it cannot.
        with pytest.raises(StartError, match=f"{raw}-{lost}: look at their leaders"):
            await prepare(cluster, cluster.group("new"), [RAW])

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert f"Kafka answers nothing of {raw}-{lost} (LeaderNotAvailableError)".encode() in why
    assert f"{raw}-{there}".encode() not in why
