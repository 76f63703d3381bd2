"""Finds the partitions of keys: where their records are written now, and where before."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiokafka import TopicPartition

from streams.kafka.batch_writer import partition_of
from streams.kafka.ranges import Reader
from streams.settings import KafkaSettings
from streams.topics import BY_USER, Topic


class Places(NamedTuple):
    """Partitions to which some keys are written `now`, and those where they may have been `before`.

    Nobody knows among how many a key was divided when some have been added since: each smaller
    number may have been it.
    """

    now: frozenset[TopicPartition]
    before: frozenset[TopicPartition] = frozenset()


def count_by_user(kafka: KafkaSettings, counts: Mapping[str, int]) -> int:
    """Returns among how many partitions whoever writes the topics by user divides their keys.

    `counts` are those of all topics there are, by their names on the cluster. While somebody raises
    one after another, the least holds (`batch_writer.common_counts`).
    """
    names = (kafka.topic(topic.name) for topic in BY_USER)
    return min(counts[name] for name in names if name in counts)


def all_places(reader: Reader, topics: Iterable[Topic]) -> Places:
    """Returns every partition, for whoever does not know the key."""
    return Places(frozenset(tp for topic in topics for tp in reader.every(topic)))


def places_of(reader: Reader, outs: Iterable[tuple[Topic, bytes]]) -> Places:
    """Returns where the router writes these topics and keys: all that a user may have."""
    now, before = set(), set()
    for out, key in outs:
        for topic in BY_USER if out in BY_USER else (out,):
            name, count = reader.kafka.topic(topic.name), reader.count(topic)
            if topic in BY_USER:
                count = min(count, count_by_user(reader.kafka, reader.partitions))
            now.add(TopicPartition(name, partition_of(key, count)))
            before |= {TopicPartition(name, partition_of(key, each)) for each in range(1, count)}
    return Places(frozenset(now), frozenset(before - now))
