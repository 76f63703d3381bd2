"""Writes many records at once, and returns when Kafka has them all."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2


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


async def write(producer: AIOKafkaProducer, records: Iterable[Outgoing]) -> None:
    """Raises the KafkaError of the first record that could not be written."""
    by_partition: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
    counts: dict[str, int] = {}
    for record in records:
        if (count := counts.get(record.topic)) is None:
            count = counts[record.topic] = len(await producer.partitions_for(record.topic))
        by_partition[record.topic, partition_of(record.key, count)].append(record)
    sent = []
    for (topic, partition), batch in by_partition.items():
        builder = producer.create_batch()
        for each in batch:
            while not builder.append(
                timestamp=None, key=each.key, value=each.value, headers=each.headers
            ):
                sent.append(await producer.send_batch(builder, topic, partition=partition))
                builder = producer.create_batch()
        builder.close()
        sent.append(await producer.send_batch(builder, topic, partition=partition))
    for future in sent:
        await future
