"""Names what is waited for because Kafka answers nothing of it, so that /ready can tell."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from aiokafka import TopicPartition


class UnavailablePartitions:
    """A process's partitions of tables and pasts that do not answer, and Kafka's word for why."""

    def __init__(self) -> None:
        self.waits: MutableMapping[object, Mapping[TopicPartition, str]] = {}
        """What each who waits has found."""

    @contextmanager
    def naming(self) -> Iterator[dict[TopicPartition, str]]:
        """Yields what whoever waits keeps up to date; it counts for as long as they wait."""
        who = object()
        unavailable: dict[TopicPartition, str] = {}
        self.waits[who] = unavailable
        try:
            yield unavailable
        finally:
            self.waits.pop(who, None)

    @property
    def found(self) -> Mapping[TopicPartition, str]:
        """Each partition that is waited for, and why it does not answer."""
        return {tp: why for waits in self.waits.values() for tp, why in waits.items()}


UNAVAILABLE = UnavailablePartitions()
"""The process's one registry: tables and pasts are read in many places."""
