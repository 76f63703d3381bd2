"""Finds settings of our topics that would refuse what is written there, or lose it."""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.settings import KafkaSettings
from streams.topics import Topic

_POLICY = "cleanup.policy"
_IN_SYNC = "min.insync.replicas"


async def unfit(
    admin: AIOKafkaAdminClient, kafka: KafkaSettings, topics: Iterable[Topic]
) -> Sequence[str]:
    """Returns what to set, a clause for each fault; what we may not ask about is left out."""
    by_name = {kafka.topic(topic.name): topic for topic in topics}
    told = await _settings(admin, by_name)
    replicas = {
        each["topic"]: min(len(partition["replicas"]) for partition in each["partitions"])
        for each in await admin.describe_topics(list(by_name))
        if each["partitions"]  # another broker may not know of it yet
    }
    faults: list[str] = []
    for name, settings in told.items():
        faults += _faults(name, by_name[name], settings, replicas.get(name))
    return faults


def _faults(
    name: str, topic: Topic, settings: Mapping[str, str], replicas: int | None
) -> Iterable[str]:
    policy = {each.strip() for each in settings.get(_POLICY, "").split(",")}
    if "compact" in policy and not topic.compacted:
        yield (
            f"{name} has {_POLICY}={settings[_POLICY]}, which refuses what has no key and keeps "
            "only the last of each key: set it to delete"
        )
    # A table that is deleted from too forgets whatever has not changed for a while.
    if topic.compacted and policy != {"compact"} and _POLICY in settings:
        yield (
            f"{name} has {_POLICY}={settings[_POLICY]}, which forgets what is not written again: "
            "set it to compact"
        )
    if replicas is not None and int(settings.get(_IN_SYNC, "0")) > replicas:
        yield (
            f"{name} has {_IN_SYNC}={settings[_IN_SYNC]} and {replicas} replicas, so that Kafka "
            "takes no record: set it lower, or give the topic more replicas"
        )


async def _settings(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> Mapping[str, Mapping[str, str]]:
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys((_POLICY, _IN_SYNC)))
        for name in names
    ]
    return {
        name: {option: value for option, value, *_ in options}
        for answer in await admin.describe_configs(asked)
        for error, _, _, name, options in answer.resources
        if not error
    }
