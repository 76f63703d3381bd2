"""The consumer pauses what is full, and nothing but its own judgement opens it again."""

from typing import Any

import pytest
from faust.types import TP

from streams.app import create_app
from streams.engine.metadata import Progress
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.transport import Consumer
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import RAW

HERE = TP(RAW.name, 0)


@pytest.fixture
async def consumer() -> Consumer:
    """One that fetches `HERE`; no broker is asked for anything."""
    app = create_app("router", (RAW,), KafkaSettings(), WorkerSettings(), pytest.fail)
    app.finalize()
    consumer: Any = app.consumer
    consumer._set_active_tps({HERE})
    assert isinstance(consumer, Consumer)
    return consumer


def assign(consumer: Consumer, start: Progress, limit: InFlightLimit) -> Partition:
    partition = Partition(HERE, start, limit, consumer._partition_changed)
    consumer.partitions[HERE] = partition
    return partition


def fetched(partition: Partition, *offsets: int) -> None:
    partition.fetched((offset, 1) for offset in offsets)


def fetches(consumer: Consumer) -> bool:
    return HERE in consumer._get_active_partitions()


async def test_a_full_partition_is_not_fetched_until_it_is_half_empty(consumer: Consumer) -> None:
    partition = assign(consumer, Progress(0), InFlightLimit(records=4))
    fetched(partition, 0, 1, 2, 3)
    seen = [fetches(consumer)]
    for offset in range(3):
        partition.ended(offset)
        seen.append(fetches(consumer))

    assert seen == [False, False, False, True]


async def test_a_full_partition_stays_unfetched_when_faust_finds_room_in_its_own_queue(
    consumer: Consumer,
) -> None:
    """With many partitions the queue of chunks fills too; its draining says nothing of ours."""
    partition = assign(consumer, Progress(0), InFlightLimit(records=4))
    fetched(partition, 0, 1, 2, 3)
    consumer.on_buffer_full(HERE)
    consumer.on_buffer_drop(HERE)

    assert partition.full
    assert not fetches(consumer)


async def test_a_partition_that_began_with_many_holes_is_fetched_on(consumer: Consumer) -> None:
    """Else it waits for ever for records that it never asks for."""
    holes = tuple((n * 2 + 1, n * 2 + 2) for n in range(1_000))
    partition = assign(consumer, Progress(0, holes), InFlightLimit())
    fetched(partition, 0)
    partition.ended(0)
    partition.committed = partition.progress
    consumer._partition_changed(partition)

    assert partition.offsets.waiting == 0
    assert fetches(consumer)


async def test_a_closed_partition_is_neither_paused_nor_resumed(consumer: Consumer) -> None:
    partition = assign(consumer, Progress(0), InFlightLimit(records=2))
    partition.closed = True
    fetched(partition, 0, 1)

    assert fetches(consumer)
