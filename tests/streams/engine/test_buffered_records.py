"""What is taken of what aiokafka has fetched, and what is left where it stands."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.buffered_records import Fetched, fetch
from tests.simulation.log import Partition
from tests.streams.delivery.flow import some_turns
from tests.streams.engine.scripted import BESIDE, HERE
from tests.streams.properties import SMALL

_NOW_MS = 1_767_225_600_000


def log_of(*sizes: int) -> Partition:
    """A log of so many batches, and how many records each has."""
    log = Partition()
    for size in sizes:
        log.write([(b"k", b"v", [])] * size, _NOW_MS)
    return log


class Consumer:
    """An aiokafka consumer that was assigned two partitions; what it has fetched is put there."""

    def __init__(self) -> None:
        self._made = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        tps = [TopicPartition(*tp) for tp in (HERE, BESIDE)]
        self._made._subscription.assign_from_user(tps)
        self._made._fetcher = Fetcher(self._made._client, self._made._subscription)
        self.fetcher._fetch_task.cancel()
        for tp in tps:
            self._made.seek(tp, 0)

    @property
    def fetcher(self) -> Any:
        return self._made._fetcher

    def at(self, tp: TP) -> int:
        return int(self._state(tp).position)

    def _state(self, tp: TP) -> Any:
        subscription: Any = self._made._subscription.subscription
        return subscription.assignment.state_value(TopicPartition(*tp))

    def seek(self, tp: TP, offset: int) -> None:
        self._made.seek(TopicPartition(*tp), offset)

    def has_fetched(self, tp: TP, log: Partition) -> None:
        """What a broker answers to a fetch from where it stands."""
        _, data = log.read(self.at(tp), 1 << 20, committed=False)
        if not data:
            return
        at = TopicPartition(*tp)
        records = PartitionRecords(
            at, MemoryRecords(data), [], self.at(tp), None, None, check_crcs=True, isolation_level=0
        )
        assignment = self._state(tp)._assignment
        self.fetcher._records[at] = FetchResult(
            at, assignment=assignment, partition_records=records, backoff=0
        )

    def has_failed(self, tp: TP, error: Exception) -> None:
        self.fetcher._records[TopicPartition(*tp)] = FetchError(error=error, backoff=0)

    def has_passed(self, tp: TP) -> None:
        self._state(tp).consumed_to(self.at(tp) + 1)

    async def fetch(self, *active: TP, seconds: float = 0.0, most: int = sys.maxsize) -> Fetched:
        return await fetch(self._made, active or (HERE, BESIDE), seconds, most)

    async def close(self) -> None:
        await self.fetcher.close()
        await self._made.stop()


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    made = Consumer()
    yield made
    await made.close()


def offsets(fetched: Fetched) -> Mapping[TP, list[int]]:
    return {tp: [each.offset for each in records] for tp, records in fetched.records.items()}


async def test_what_stands_before_an_unreadable_batch_is_taken_and_it_is_left_where_it_stands(
    consumer: Consumer,
) -> None:
    log, beside = log_of(2, 3, 1), log_of(1)
    log.corrupt(2)
    consumer.has_fetched(HERE, log)
    consumer.has_fetched(BESIDE, beside)
    fetched = await consumer.fetch()

    assert offsets(fetched) == {HERE: [0, 1], BESIDE: [0]}
    assert fetched.positions == {HERE: 2, BESIDE: 1}
    assert isinstance(fetched.errors[HERE], CorruptRecordException)
    assert fetched.errors.keys() == {HERE}
    assert fetched.behind == {HERE: 5}


async def test_no_more_is_taken_than_is_asked_for_and_the_rest_is_next(consumer: Consumer) -> None:
    consumer.has_fetched(HERE, log_of(3, 2))
    consumer.has_fetched(BESIDE, log_of(1))
    taken = [await consumer.fetch(most=4) for _ in range(3)]

    assert [offsets(each) for each in taken] == [
        {HERE: [0, 1, 2, 3]},
        {HERE: [4], BESIDE: [0]},
        {},
    ]
    assert consumer.at(HERE) == 5


def test_whatever_is_unreadable_all_else_before_it_is_taken_once_and_nothing_behind_it() -> None:
    @given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
    @SMALL
    def holds(sizes: list[int], data: st.DataObject) -> None:
        log = log_of(*sizes)
        bad = data.draw(st.sampled_from(log.batches))
        begins = data.draw(st.integers(0, log.end - 1))
        log.corrupt(bad.base)

        async def take() -> None:
            consumer = Consumer()
            consumer.seek(HERE, begins)
            taken: list[int] = []
            for _ in range(2):
                consumer.has_fetched(HERE, log)
                fetched = await consumer.fetch()
                taken += offsets(fetched).get(HERE, [])
            is_before = begins < bad.end
            end = max(begins, bad.base) if is_before else log.end
            assert taken == [*range(begins, end)]
            assert (consumer.at(HERE), HERE in fetched.errors) == (end, is_before)
            await consumer.close()

        asyncio.run(take())

    holds()


async def test_a_refusal_names_its_partition_and_takes_nothing_of_others_with_it(
    consumer: Consumer,
) -> None:
    consumer.has_fetched(BESIDE, log_of(2))
    consumer.has_failed(HERE, TopicAuthorizationFailedError(HERE.topic))
    fetched = await consumer.fetch()

    assert offsets(fetched) == {BESIDE: [0, 1]}
    assert fetched.errors.keys() == {HERE}


async def test_what_is_too_large_is_not_passed_over(consumer: Consumer) -> None:
    """Aiokafka goes on by one offset as it says so."""
    consumer.seek(HERE, 5)
    consumer.has_passed(HERE)
    consumer.has_failed(HERE, RecordTooLargeError())
    fetched = await consumer.fetch()

    assert fetched.errors.keys() == {HERE}
    assert (fetched.positions[HERE], consumer.at(HERE)) == (5, 5)


async def test_what_was_fetched_before_a_seek_or_of_what_is_not_asked_for_is_not_taken(
    consumer: Consumer,
) -> None:
    log = log_of(3)
    consumer.has_fetched(HERE, log)
    consumer.has_fetched(BESIDE, log)
    result = consumer.fetcher._records[TopicPartition(*HERE)]
    consumer.seek(HERE, 2)
    consumer.fetcher._records[TopicPartition(*HERE)] = result
    fetched = await consumer.fetch(HERE)

    assert fetched == Fetched(positions={HERE: 2})
    assert offsets(await consumer.fetch(BESIDE)) == {BESIDE: [0, 1, 2]}


async def test_it_waits_for_what_comes(consumer: Consumer) -> None:
    fetching = asyncio.create_task(consumer.fetch(seconds=60.0))
    await some_turns()
    consumer.has_fetched(HERE, log_of(1))
    for waiter in [*consumer.fetcher._fetch_waiters]:
        waiter.set_result(None)

    assert offsets(await fetching) == {HERE: [0]}


async def test_of_a_consumer_that_is_closed_nothing_is_fetched(consumer: Consumer) -> None:
    fetching = asyncio.create_task(consumer.fetch(seconds=60.0))
    await some_turns()
    await consumer.fetcher.close()

    assert (await fetching).records == {}
    with pytest.raises(ConsumerStoppedError):
        await consumer.fetch()
