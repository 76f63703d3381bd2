"""Plans the topics to create, within what each kind of Kafka lets one set."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from streams.topics import MAX_MESSAGE_BYTES, Topic

Service = Literal["kafka", "strimzi", "confluent", "msk-serverless"]

_DAY_MS = 24 * 3600 * 1000
# Kafka deletes whole segments, and never the one that is written to: what is to be gone in time
# must be in one that has ended.
_SEGMENT_MS = _DAY_MS


@dataclass(frozen=True)
class Limits:
    """The limits of a service on topics; `least_segment_ms` is None where it is not to be set."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    least_segment_ms: int | None = 0
    sets_replicas: bool = True


LIMITS: Mapping[Service, Limits] = {
    "kafka": Limits(),
    "strimzi": Limits(),
    # "Configuration Reference for Topics in Confluent Cloud": other clusters than dedicated ones.
    "confluent": Limits(8 * 1024 * 1024, 4 * 3600 * 1000, sets_replicas=False),
    # "Configuration properties for MSK Serverless clusters", Amazon.
    "msk-serverless": Limits(8 * 1024 * 1024, None, sets_replicas=False),
}


@dataclass(frozen=True)
class Planned:
    """A topic as it is to be created; `replicas` is None where the service chooses."""

    topic: Topic
    partitions: int
    replicas: int | None
    settings: Mapping[str, str]


def plan(
    service: Service,
    topics: Iterable[Topic],
    *,
    partitions: int,
    replicas: int,
    retention_days: int,
) -> Iterator[Planned]:
    """Says how to create these.

    Of what is not compacted nothing is kept for longer than `retention_days`.
    """
    limits = LIMITS[service]
    for topic in topics:
        settings = {
            "cleanup.policy": "compact" if topic.compacted else "delete",
            "max.message.bytes": str(limits.max_message_bytes),
        }
        if not topic.compacted:
            kept_ms = topic.kept_ms or retention_days * _DAY_MS
            settings["retention.ms"] = str(kept_ms)
            if limits.least_segment_ms is not None:
                segment_ms = max(min(kept_ms, _SEGMENT_MS), limits.least_segment_ms)
                settings["segment.ms"] = str(segment_ms)
        if limits.sets_replicas and replicas > 2:  # noqa: PLR2004 - one may be away, and one has it
            settings["min.insync.replicas"] = str(replicas - 1)
        yield Planned(
            topic,
            topic.partitions or partitions,
            replicas if limits.sets_replicas else None,
            settings,
        )
