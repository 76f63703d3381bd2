"""Looks consumer groups up."""

from collections.abc import Iterable

from aiokafka import TopicPartition

from streams.kafka import clients, topic_admin
from streams.settings import KafkaSettings
from streams.topics import Topic


async def look(
    kafka: KafkaSettings, group: str, topics: Iterable[Topic]
) -> tuple[list[TopicPartition], bool]:
    """All partitions of those topics that are there, and whether the group has live members."""
    async with clients.admin(kafka) as admin:
        there = await topic_admin.existing(admin)
        [answer] = await admin.describe_consumer_groups([group])
        [described] = answer.to_object()["groups"]
    names = [kafka.topic(topic.name) for topic in topics]
    every = [TopicPartition(name, n) for name in names for n in range(there.get(name, 0))]
    return every, bool(described["members"])


def stop_first(group: str) -> str:
    """Returns what is to be done before the offsets of a group with members are moved."""
    return (
        f"The group {group} has live members: stop its workers first, and with "
        "KAFKA_GROUP_INSTANCE_ID put them out of it (mparticle-streams leave), or wait for "
        "KAFKA_SESSION_TIMEOUT_S."
    )
