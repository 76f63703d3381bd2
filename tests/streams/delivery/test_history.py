"""The log as memory: what is read back when a partition is taken over, and what is not."""

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from faust.types import TP

from sandbox.kafka import Kafka
from streams.delivery.history import History
from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.batch_writer import partition_of
from streams.kafka.clients import admin
from streams.kafka.commit_metadata import Progress, Sight
from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests.streams.cluster import create, keep, producing, settings

pytestmark = pytest.mark.kafka


async def store(to: KafkaSettings, count: int, *, days: float = 0, partition: int = 0) -> None:
    """Records of this age."""
    if days:
        await keep(to, EVENTS)
    at_ms = int((time.time() - days * 24 * 3600) * 1000)
    async with producing(to) as producer:
        for number in range(count):
            await producer.send_and_wait(
                to.topic(EVENTS.name),
                f"{number}".encode(),
                partition=partition,
                timestamp_ms=at_ms,
            )


def partitions_of(to: KafkaSettings, *progresses: Progress) -> list[Partition]:
    return [
        Partition(TP(to.topic(EVENTS.name), number), progress, InFlightLimit(), lambda _: None)
        for number, progress in enumerate(progresses)
    ]


async def recalled(
    to: KafkaSettings, *progresses: Progress, ids: int = 1_000
) -> list[tuple[int, int]]:
    """(partition, offset) of what is read back for partitions that go on from there."""
    partitions = partitions_of(to, *progresses)
    told: list[tuple[int, int]] = []
    share = ids // len(partitions)
    async with asyncio.timeout(60):
        history = History(to).read(
            [[each] for each in partitions],
            share,
            lambda partition, record: told.append((partition.tp.partition, record.offset)),
        )
        assert [group async for group in history] == [[each] for each in partitions]
    return told


@pytest.mark.parametrize(
    ("progress", "offsets"),
    [
        (Progress(0), []),
        (Progress(3), [0, 1, 2]),
        (Progress(6), [0, 1, 2, 3, 4, 5]),
        (Progress(1, ((2, 4), (5, 6))), [0, 2, 3, 5]),
        (Progress(0, ((4, 5),)), [4]),
    ],
)
async def test_all_that_ended_is_read_back_and_nothing_that_did_not(
    kafka: Kafka, prefix: str, progress: Progress, offsets: list[int]
) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to, [EVENTS])
    await store(to, 6)

    assert await recalled(to, progress) == [(0, offset) for offset in offsets]


async def test_what_is_read_back_is_as_much_after_a_month_away_as_after_a_minute(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to, [EVENTS])
    await store(to, 3, days=30)
    await store(to, 2)

    assert await recalled(to, Progress(5), ids=4) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert await recalled(to, Progress(2), ids=4) == [(0, 0), (0, 1)]


async def test_no_more_ids_are_read_than_the_worker_may_remember(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=2)
    await create(to, [EVENTS])
    await store(to, 6)
    await store(to, 6, partition=1)
    read = await recalled(to, Progress(6), Progress(4), ids=6)

    assert sorted(read) == [(0, 3), (0, 4), (0, 5), (1, 1), (1, 2), (1, 3)]


async def test_the_past_of_an_added_partition_begins_where_its_users_were_before(
    kafka: Kafka, prefix: str
) -> None:
    """What stands there of others, or came when they had gone, is not its own."""
    to = settings(kafka, prefix, partitions=2)
    await create(to, [EVENTS])
    stays, goes = (
        next(key for key in map(b"%d".__mod__, range(9)) if partition_of(key, 2) == number)
        for number in range(2)
    )
    async with producing(to) as producer:
        written: list[list[bytes | None]] = [[goes, stays, goes, goes, None, goes], [goes, goes]]
        for partition, keys in enumerate(written):
            for key in keys:
                topic = to.topic(EVENTS.name)
                await producer.send_and_wait(topic, b"", key, partition=partition)
    old, new = partitions_of(
        to, Progress(6, sight=Sight(1, 2, 5)), Progress(1, sight=Sight(1, 2, 0))
    )
    new.origins = {old.tp: 5}

    async def told(share: int) -> list[tuple[int, int]]:
        read: list[tuple[int, int]] = []
        async with asyncio.timeout(60):
            history = History(to).read(
                [[new]], share, lambda _, record: read.append((record.partition, record.offset))
            )
            assert [group async for group in history] == [[new]]
        return read

    assert await told(1_000) == [(1, -5), (1, -3), (1, -2), (1, 0)]
    assert await told(4) == [(1, -3), (1, -2), (1, 0)]
    assert await told(1) == [(1, 0)]


async def test_partitions_of_an_empty_topic_have_no_past(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=2)
    await create(to, [EVENTS])

    assert await recalled(to, Progress(0), Progress(0)) == []


async def test_an_offset_beyond_the_end_of_the_log_does_not_wait_for_ever(
    kafka: Kafka, prefix: str
) -> None:
    """A topic that was made anew, or lost its tail: the group's offset is older than it."""
    to = settings(kafka, prefix, partitions=1)
    await create(to, [EVENTS])
    await store(to, 2)

    assert await recalled(to, Progress(50)) == [(0, 0), (0, 1)]


async def test_what_retention_leaves_is_read_back_when_it_is_faster(
    kafka: Kafka, prefix: str
) -> None:
    """Between the look at the log and the reading of it the beginning is deleted."""
    to = settings(kafka, prefix, partitions=2)
    await create(to, [EVENTS])
    for number in range(2):
        await store(to, 6, partition=number)
    first, second = partitions_of(to, Progress(6), Progress(6))
    told: list[int] = []
    async with asyncio.timeout(60):
        reading = History(to).read(
            [[first], [second]], 1_000, lambda _partition, record: told.append(record.offset)
        )
        await anext(reading)
        told.clear()
        async with admin(to) as client:
            gone = {TopicPartition(*second.tp): RecordsToDelete(before_offset=4)}
            await client.delete_records(gone)
        assert [group async for group in reading] == [[second]]

    assert told == [4, 5]


async def test_a_group_is_whole_before_anything_of_the_next_is_read(
    kafka: Kafka, prefix: str
) -> None:
    """So that its partitions go on while the rest is still being read."""
    to = settings(kafka, prefix, partitions=3)
    await create(to, [EVENTS])
    for number in range(3):
        await store(to, 4, partition=number)
    progresses = (Progress(4), Progress(0, ((1, 3),)), Progress(2))
    first, second, third = partitions_of(to, *progresses)
    told: list[tuple[int, int]] = []
    seen = []
    async with asyncio.timeout(60):
        async for group in History(to).read(
            [[first, second], [third]],
            1_000,
            lambda partition, record: told.append((partition.tp.partition, record.offset)),
        ):
            seen.append((group, sorted(told)))
            told.clear()

    assert seen == [
        ([first, second], [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]),
        ([third], [(2, 0), (2, 1)]),
    ]
    assert all(each.recalled for each in (first, second, third))
