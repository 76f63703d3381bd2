"""Finds settings and replicas of topics that lose records, or keep them for too long."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.settings import KafkaSettings
from streams.topics import Topic

_POLICY, _KEPT, _IN_SYNC = "cleanup.policy", "retention.ms", "min.insync.replicas"
_HOUR_MS = 3_600_000
# Shorter than the outages that one has on a weekend.
_LEAST_KEPT_MS = 24 * _HOUR_MS


@dataclass(frozen=True)
class Shape:
    """One topic as it is; `settings` are those that Kafka tells whoever asks."""

    topic: Topic
    replicas: int
    settings: Mapping[str, str]

    def doubts(self) -> Iterator[str]:
        """Clauses that each say what may be lost and what to set; none where all is as it may be.

        What would lose records at once is refused at the start, and not told here.
        """
        in_sync = int(self.settings.get(_IN_SYNC, "0"))
        if self.replicas == 1:
            yield "one replica, so that what is on a broker that is lost is lost; give them three"
        elif in_sync == 1:
            yield (
                f"{_IN_SYNC}=1, so that what one broker alone has acknowledged is lost with it; "
                f"set it to {max(2, self.replicas - 1)}"
            )
        if self.topic.compacted or self.topic.kept_ms is not None or _KEPT not in self.settings:
            return
        kept_ms = int(self.settings[_KEPT])
        if kept_ms < 0:
            yield f"{_KEPT}={kept_ms}, so that personal data stays for ever; set how long it may"
        elif kept_ms < _LEAST_KEPT_MS:
            yield (
                f"{_KEPT}={kept_ms}, so that what waits for longer in an outage is lost; "
                f"set it to {_LEAST_KEPT_MS} or more"
            )


async def look(
    admin: AIOKafkaAdminClient, kafka: KafkaSettings, topics: Iterable[Topic]
) -> Sequence[Shape]:
    """Asks about topics that are there."""
    by_name = {kafka.topic(topic.name): topic for topic in topics}
    known = list(by_name)
    if not known:
        return []
    wanted = dict.fromkeys((_POLICY, _KEPT, _IN_SYNC))
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in known]
    told = {
        name: {option: value for option, value, *_ in options}
        for answer in await admin.describe_configs(asked)
        for error, _, _, name, options in answer.resources
        if not error
    }
    return [
        Shape(
            by_name[each["topic"]],
            min(len(partition["replicas"]) for partition in each["partitions"]),
            told.get(each["topic"], {}),
        )
        for each in await admin.describe_topics(known)
        if each["partitions"]
    ]
