"""Looks topics up and, where it is asked to, creates them."""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.settings import KafkaSettings
from streams.topics import MAX_MESSAGE_BYTES, Topic

_POLL_SECONDS = 0.02


async def existing(admin: AIOKafkaAdminClient) -> Mapping[str, int]:
    """Names and partition counts of the cluster's topics."""
    described = await admin.describe_topics()
    return {each["topic"]: len(each["partitions"]) for each in described}


async def create(admin: AIOKafkaAdminClient, kafka: KafkaSettings, topics: Iterable[Topic]) -> None:
    """Creates topics; one that another worker made meanwhile is fine."""
    response = await admin.create_topics(
        [
            NewTopic(
                name=kafka.topic(topic.name),
                num_partitions=topic.partitions or kafka.topic_partitions,
                replication_factor=kafka.topic_replication_factor,
                topic_configs=_configuration(topic),
            )
            for topic in topics
        ]
    )
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)


async def wait_until_known(admin: AIOKafkaAdminClient, names: Iterable[str]) -> None:
    """Returns when the broker tells of all these topics, which is a moment after they were made.

    Whoever looks for them before finds none.
    """
    asked = list(names)
    while not all(each["partitions"] for each in await admin.describe_topics(asked)):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_POLL_SECONDS)


def _configuration(topic: Topic) -> dict[str, str]:
    configuration = {
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "cleanup.policy": "compact" if topic.compacted else "delete",
    }
    if topic.kept_ms is not None:
        # Kafka deletes whole segments, and never the one that is written to.
        configuration |= dict.fromkeys(("retention.ms", "segment.ms"), str(topic.kept_ms))
    return configuration
