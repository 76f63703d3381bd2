"""Has a group read, of topics that belong together, the partitions that all of them have.

Whoever adds partitions does so topic by topic. What some of them do not have yet nobody writes to
(streams/kafka/batch_writer.py), and divided with the rest it would part partitions of one number.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from faust.types import TP


def read_together(app: Any) -> Collection[str]:
    """Returns the full names of the topics that the app reads and that belong together."""
    return [app.kafka.topic(each.name) for each in app.reads if each.together]


def in_all(tps: Iterable[TP], together: Collection[str]) -> list[TP]:
    """Leaves out what not all of the topics have that belong `together`.

    A topic of which nothing is known yet has none.
    """
    every = list(tps)
    counts = Counter(tp.topic for tp in every)
    least = min((counts[topic] for topic in together), default=0)
    return [tp for tp in every if tp.topic not in together or tp.partition < least]


class EqualRanges(RangePartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """Divides as aiokafka's does, and what it divides is `in_all`."""

    together: ClassVar[Collection[str]] = ()

    @classmethod
    def of(cls, together: Iterable[str]) -> type["EqualRanges"]:
        """Returns one for the topics of these names."""
        return type(cls.__name__, (cls,), {"together": frozenset(together)})

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        seen: Any = _Seen(cluster, cls.together)
        divided: dict[str, ConsumerProtocolMemberAssignment] = super().assign(seen, members)
        return divided


class _Seen:
    """What there is to divide, in place of all that a cluster has."""

    def __init__(self, cluster: ClusterMetadata, together: Collection[str]) -> None:
        self._cluster = cluster
        there = (TP(topic, each) for topic in together for each in self._ask(topic) or ())
        self._in_all = in_all(there, together)
        self._together = together

    def _ask(self, topic: str) -> set[int] | None:
        found: set[int] | None = self._cluster.partitions_for_topic(topic)
        return found

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        if topic not in self._together:
            return self._ask(topic)
        return {tp.partition for tp in self._in_all if tp.topic == topic}
