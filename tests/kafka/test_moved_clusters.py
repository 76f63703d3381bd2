"""Another cluster takes over, with copied records and translated offsets, as by MirrorMaker."""

from collections import Counter
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from cli.demo.lag import Lag
from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.kafka.committed_offsets import read_committed
from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests.kafka.deliveries import SAILTHRU, work_off, write
from tests.kafka.log import everything
from tests.kafka.outside import RECORDS, outside
from tests.streams.cluster import commit, create, delete_before, producing, settings

DELETED = 2
"""Of partition 0, before it is copied: so the copies have other offsets."""
BEHIND = 1
"""How far a translated offset stands behind, in partition 1."""


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_workers_go_on_at_the_translated_offsets_and_repeat_only_what_lies_behind_them(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """What was written beside the offsets is copied too; it is of another cluster."""
    old = settings(kafka, prefix)
    group, topic = old.group(SAILTHRU.worker), old.topic(EVENTS.name)
    await create(old)
    await write(old, SAILTHRU)
    async with outside(old, tmp_path) as world, Lag.open(old) as lag:
        await work_off(world, lag, SAILTHRU)
        assert world.sent == Counter(range(2 * RECORDS))
    await delete_before(old, topic, DELETED)

    async with Kafka() as another:
        new = settings(another, prefix)
        await create(new)
        await copy(old, new)
        begins = {0: RECORDS - DELETED, 1: RECORDS - BEHIND}
        texts = await texts_beside_offsets(old, group, topic)
        at = {(topic, number): (begins[number], texts[number]) for number in begins}
        await commit(new, group, at)
        async with outside(new, tmp_path) as world, Lag.open(new) as lag:
            await write(new, SAILTHRU)
            await work_off(world, lag, SAILTHRU)
    # The same events once more are known, but for those that were deleted before they were copied.
    again = [2 * RECORDS - 1]
    assert world.sent == Counter([*range(DELETED), *again])


async def copy(old: KafkaSettings, new: KafkaSettings) -> None:
    async with producing(new) as producer:
        for record in await everything(old, EVENTS):
            await producer.send_and_wait(
                record.topic,
                record.value,
                record.key,
                record.partition,
                record.timestamp,
                list(record.headers),
            )


async def texts_beside_offsets(kafka: KafkaSettings, group: str, topic: str) -> dict[int, str]:
    async with clients.consumer(kafka, group_id=group) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(kafka.topic_partitions)]
        committed = await read_committed(consumer, partitions)
    return {tp.partition: each.metadata for tp, each in committed.items()}
