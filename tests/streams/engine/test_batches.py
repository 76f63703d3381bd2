"""Many records at once: in order per key, as they were given, and all of them or an error."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kafka import Kafka
from streams.kafka.batch_writer import (
    NotTakenError,
    Outgoing,
    common_counts,
    partition_of,
    write,
)
from streams.topics import EVENTS, USER_UPDATE
from tests.streams.cluster import create, producing, read, settings
from tests.streams.properties import SMALL


@given(st.binary(max_size=200), st.integers(1, 200))
@SMALL
def test_a_key_goes_where_kafkas_default_partitioner_puts_it(key: bytes, count: int) -> None:
    partitions = list(range(count))

    assert partition_of(key, count) == DefaultPartitioner()(key, partitions, partitions)


def outgoing(topic: str, number: int, size: int = 0) -> Outgoing:
    """The user goes by the number, so that each partition has some."""
    return Outgoing(
        topic,
        f"user-{number % 7}".encode(),
        f"{number}".encode().ljust(size),
        [("id", str(number).encode()), ("kind", b"custom_event")],
    )


class Raised:
    """A producer that knows how many partitions each topic has."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self.client = self.cluster = self

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._counts[topic]))


async def test_a_key_has_one_number_in_all_topics_while_they_are_raised_one_after_another() -> None:
    producer: Any = Raised({"user-update": 4, "events": 2, "audience-membership": 3})

    assert await common_counts(producer, ["user-update", "events", "audience-membership"]) == {
        "user-update": 2,
        "events": 2,
        "audience-membership": 2,
    }


@pytest.mark.kafka
@pytest.mark.parametrize(("count", "size"), [(1, 10), (500, 1_000), (20, 100_000)])
async def test_records_arrive_in_order_per_key_with_all_that_they_bear(
    kafka: Kafka, prefix: str, count: int, size: int
) -> None:
    """One batch, several batches a partition, and records larger than a batch."""
    to = settings(kafka, prefix, partitions=3)
    await create(to, [EVENTS])
    records = [outgoing(to.topic(EVENTS.name), number, size) for number in range(count)]
    async with producing(to) as producer:
        await write(producer, records)
    arrived = await read(to, EVENTS, count)

    by_key = defaultdict(list)
    for each in sorted(arrived, key=lambda record: (record.partition, record.offset)):
        by_key[each.key].append(int(each.value))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert {(r.key, r.value, *r.headers) for r in arrived} == {
        (r.key, r.value, *r.headers) for r in records
    }
    assert {partition_of(r.key, 3) for r in arrived} == {r.partition for r in arrived}


@pytest.mark.kafka
async def test_records_of_several_topics_are_there_when_it_returns(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to, [EVENTS, USER_UPDATE])
    topics = [to.topic(EVENTS.name), to.topic(USER_UPDATE.name)]
    async with producing(to) as producer:
        await write(producer, [outgoing(topics[number % 2], number) for number in range(40)])

    for topic in (EVENTS, USER_UPDATE):
        assert len(await read(to, topic, 20)) == 20


@pytest.mark.kafka
async def test_nothing_to_write_is_written_at_once(kafka: Kafka, prefix: str) -> None:
    async with producing(settings(kafka, prefix)) as producer:
        await write(producer, [])


TOO_LARGE = 10 * 1024 * 1024 + 1_000


@pytest.mark.kafka
async def test_a_record_that_kafka_refuses_raises(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix)
    await create(to, [EVENTS])
    topic = to.topic(EVENTS.name)
    async with producing(to) as producer:
        with pytest.raises(NotTakenError):
            await write(producer, [outgoing(topic, 0), outgoing(topic, 7, TOO_LARGE)])


@pytest.mark.kafka
async def test_nothing_of_a_partition_is_written_after_what_kafka_refused(
    kafka: Kafka, prefix: str
) -> None:
    """Else the worker that writes them all again would turn their order round."""
    to = settings(kafka, prefix, partitions=1)
    await create(to, [EVENTS])
    topic = to.topic(EVENTS.name)
    async with producing(to) as producer:
        with pytest.raises(NotTakenError):
            await write(
                producer,
                [
                    outgoing(topic, 0, 60_000),
                    outgoing(topic, 1, TOO_LARGE),
                    outgoing(topic, 2, 60_000),
                    outgoing(topic, 3, 60_000),
                ],
            )
        async with asyncio.timeout(60):
            await producer.flush()
    async with producing(to) as producer:
        await write(producer, [outgoing(topic, 4)])

    assert [int(record.value) for record in await read(to, EVENTS, 2)] == [0, 4]


@pytest.mark.parametrize(
    ("error", "is_of_records", "what_to_do"),
    [
        (MessageSizeTooLargeError(), True, "raise max.message.bytes of events"),
        (InvalidTimestampError(), True, "look at the brokers' log for InvalidTimestampError"),
        (for_code(87)(), True, "look at the brokers' log for UnknownError"),
        (TopicAuthorizationFailedError(), False, "have its user granted Write on the topic events"),
        (ProducerClosed(), False, "start it again: its Kafka client gave up (ProducerClosed)"),
        (
            KafkaTimeoutError(),
            False,
            "start it again: its Kafka client gave up (KafkaTimeoutError)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_who_is_told_what_kafka_did_not_take_is_told_whether_records_are_why(
    error: KafkaError, is_of_records: bool, what_to_do: str
) -> None:
    not_taken = NotTakenError("events", 0, [outgoing("events", 0)], error)

    assert (not_taken.is_of_records, not_taken.what_to_do) == (is_of_records, what_to_do)
