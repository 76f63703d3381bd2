"""Writes many records at once, and returns when Kafka has them all."""

from asyncio import Future
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    CorruptRecordException,
    InvalidRequestError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.kafka.patient_producer import partition_count
from streams.kafka.record_limits import written_size
from streams.kafka.rights import Right

# Brokers answer with these that records are not as the topic takes them; one of them says
# `InvalidRecord`, which aiokafka does not know and calls unknown.
_OF_RECORDS = (
    CorruptRecordException,
    InvalidRequestError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    UnknownError,
)


class Outgoing(NamedTuple):
    """A record ready to be written.

    Kafka's own time of it is that of the writing. What a message says of times is in the value:
    retention would delete at once what bears an old one, and a broker refuses one that is ahead.
    """

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, count: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


class NotTakenError(Exception):
    """Kafka did not take some records, and will not: the producer can write no more there."""

    def __init__(
        self, topic: str, partition: int, records: Sequence[Outgoing], why: KafkaError
    ) -> None:
        self.what_to_do = what_to_do(topic, why)
        self.is_of_records = isinstance(why, _OF_RECORDS)
        """True where others might pass: without these records the writer could go on."""
        super().__init__(
            f"Kafka did not take {len(records)} records of {topic}/{partition}: {self.what_to_do}"
        )
        self.topic = topic
        self.partition = partition
        self.records = records


def what_to_do(topic: str, why: BaseException) -> str:
    """A clause about what Kafka did not take of a topic."""
    match why:
        case TopicAuthorizationFailedError():
            return f"have its user granted {Right('Write', 'topic', topic)}"
        case MessageSizeTooLargeError():
            return f"raise max.message.bytes of {topic}"
        case KafkaError() if not isinstance(why, BrokerResponseError):
            return f"start it again: its Kafka client gave up ({type(why).__name__})"
    return f"look at the brokers' log for {type(why).__name__}"


async def common_counts(producer: AIOKafkaProducer, together: Iterable[str]) -> Mapping[str, int]:
    """Returns for each of the topics how many partitions all of them have.

    One key is to be in partitions of the same number, while somebody adds some to one topic after
    another too. It waits for a topic that Kafka does not know, as nobody can say how many it has.
    """
    counts = {topic: await partition_count(producer, topic) for topic in together}
    return dict.fromkeys(counts, min(counts.values()))


async def write(
    producer: AIOKafkaProducer,
    records: Iterable[Outgoing],
    most: Mapping[str, int] = MappingProxyType({}),
    counts: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Raises NotTakenError of the first batch that could not be written.

    `most` is how large a batch each topic takes, by its full name, where that is less than the
    producer makes them; `counts`, among how many partitions its keys are divided, where that is not
    as many as it has.
    """
    by_partition: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
    counts = dict(counts)
    for record in records:
        if (count := counts.get(record.topic)) is None:
            count = counts[record.topic] = await partition_count(producer, record.topic)
        by_partition[record.topic, partition_of(record.key, count)].append(record)
    sent: list[tuple[_Batch, Future[Any]]] = []
    for (topic, partition), together in by_partition.items():
        for batch in _batches(producer, topic, partition, together, most.get(topic)):
            builder = batch.builder
            builder.close()
            sent.append((batch, await producer.send_batch(builder, topic, partition=partition)))
    for batch, written in sent:
        try:
            await written
        except KafkaError as error:
            raise NotTakenError(batch.topic, batch.partition, batch.records, error) from error


class _Batch(NamedTuple):
    topic: str
    partition: int
    builder: BatchBuilder
    records: list[Outgoing]

    def takes(self, record: Outgoing, most: int | None) -> bool:
        """Adds a record where there is room for it; the first there always is."""
        key, value, headers = record.key, record.value, record.headers
        is_tight = most is not None and bool(self.records)
        if is_tight and self.builder.size() + written_size(key, value, headers) > most:
            return False
        if not self.builder.append(timestamp=None, key=key, value=value, headers=headers):
            return False
        self.records.append(record)
        return True


def _batches(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    records: Iterable[Outgoing],
    most: int | None,
) -> Iterator[_Batch]:
    batch = _Batch(topic, partition, producer.create_batch(), [])
    for record in records:
        if not batch.takes(record, most):
            yield batch
            batch = _Batch(topic, partition, producer.create_batch(), [])
            batch.takes(record, most)
    yield batch
