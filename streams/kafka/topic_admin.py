"""Looks topics up and, where it is asked to, creates them."""

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.settings import KafkaSettings
from streams.topics import MAX_MESSAGE_BYTES, Topic


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
                num_partitions=kafka.topic_partitions,
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


def _configuration(topic: Topic) -> dict[str, str]:
    configuration = {
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "cleanup.policy": "compact" if topic.compacted else "delete",
    }
    if topic.kept_ms is not None:
        # Kafka deletes whole segments, and never the one that is written to.
        configuration |= dict.fromkeys(("retention.ms", "segment.ms"), str(topic.kept_ms))
    return configuration
