"""A mistake of ours ends the process: after what is finished is committed, and nothing past it."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from sandbox.kafka import Kafka
from streams.topics import EVENTS
from tests.kafka.leaks.program import Group, started, write
from tests.streams.cluster import assigned, create, settings

OURS, GROUP = "tests.kafka.leaks.ours", "leaks"
FATES = ("passes", "passes", "passes", "breaks", "passes", "passes")


@pytest.mark.kafka
async def test_an_exception_in_one_lane_ends_the_process_and_what_the_others_did_is_committed(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write(cluster, FATES)
    at = TopicPartition(cluster.topic(EVENTS.name), 0)
    async with assigned(cluster, cluster.group(GROUP), [at]) as consumer:
        group = Group(consumer, at)
        with started(OURS, cluster, tmp_path) as program:
            code = await asyncio.to_thread(program.process.wait, 30)
            await group.look()

    assert code != 0
    assert group.covered == program.numbers("did")
    assert {0, 1, 2} <= group.covered
    assert FATES.index("breaks") not in group.covered
