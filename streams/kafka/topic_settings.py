"""Judges the settings and replicas of our topics: which would refuse records, or lose them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.settings import KafkaSettings
from streams.topics import Topic

_POLICY, _KEPT, _IN_SYNC = "cleanup.policy", "retention.ms", "min.insync.replicas"
_HOUR_MS = 3_600_000
# Shorter than the outages that one has on a weekend.
_MIN_KEPT_MS = 24 * _HOUR_MS


@dataclass(frozen=True)
class TopicSettings:
    """One topic as it is, by its name on the cluster.

    `settings` are those that Kafka tells this process, none where it may not ask. `replicas` are
    those of the partition that has fewest, None where the broker asked does not know the topic yet.
    """

    name: str
    topic: Topic
    settings: Mapping[str, str]
    replicas: int | None

    def faults(self) -> Iterator[str]:
        """Yields clauses that each say what refuses or loses records at once, and what to set."""
        policies = self.settings.get(_POLICY, "")
        policy = {each.strip() for each in policies.split(",")}
        if "compact" in policy and not self.topic.compacted:
            yield (
                f"{self.name} has {_POLICY}={policies}, which refuses what has no key and keeps "
                "only the last of each key: set it to delete"
            )
        # A table that is deleted from too forgets whatever has not changed for a while.
        if self.topic.compacted and policy != {"compact"} and _POLICY in self.settings:
            yield (
                f"{self.name} has {_POLICY}={policies}, which forgets what is not written again: "
                "set it to compact"
            )
        if self.replicas is not None and self._in_sync > self.replicas:
            yield (
                f"{self.name} has {_IN_SYNC}={self._in_sync} and {self.replicas} replicas, so that "
                "Kafka takes no record: set it lower, or give the topic more replicas"
            )

    def doubts(self) -> Iterator[str]:
        """Yields clauses that each say what may be lost or kept too long, and what to set.

        What would lose records at once is a fault, and not told here.
        """
        if self.replicas == 1:
            yield "one replica, so that what is on a broker that is lost is lost; give them three"
        elif self.replicas is not None and self._in_sync == 1:
            yield (
                f"{_IN_SYNC}=1, so that what one broker alone has acknowledged is lost with it; "
                f"set it to {max(2, self.replicas - 1)}"
            )
        if self.topic.compacted or self.topic.kept_ms is not None or _KEPT not in self.settings:
            return
        kept_ms = int(self.settings[_KEPT])
        if kept_ms < 0:
            yield f"{_KEPT}={kept_ms}, so that personal data stays for ever; set how long it may"
        elif kept_ms < _MIN_KEPT_MS:
            yield (
                f"{_KEPT}={kept_ms}, so that what waits for longer in an outage is lost; "
                f"set it to {_MIN_KEPT_MS} or more"
            )

    @property
    def _in_sync(self) -> int:
        return int(self.settings.get(_IN_SYNC, "0"))


async def look(
    admin: AIOKafkaAdminClient, kafka: KafkaSettings, topics: Iterable[Topic]
) -> Sequence[TopicSettings]:
    """Asks Kafka about topics that are there."""
    by_name = {kafka.topic(topic.name): topic for topic in topics}
    if not by_name:
        return []
    wanted = dict.fromkeys((_POLICY, _KEPT, _IN_SYNC))
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in by_name]
    told = {
        name: {option: value for option, value, *_ in options}
        for answer in await admin.describe_configs(asked)
        for error, _, _, name, options in answer.resources
        if not error
    }
    replicas = {
        each["topic"]: min(len(partition["replicas"]) for partition in each["partitions"])
        for each in await admin.describe_topics(list(by_name))
        if each["partitions"]  # another broker may not know of it yet
    }
    return [
        TopicSettings(name, topic, told.get(name, {}), replicas.get(name))
        for name, topic in by_name.items()
    ]
