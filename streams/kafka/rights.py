"""Rights at Kafka, as a component declares those that it needs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from streams.settings import KafkaSettings
from streams.topics import (
    AUDIENCES,
    BY_USER,
    DEAD_LETTERS,
    PRIVACY_REQUESTS,
    RATE_LIMITS,
    RAW,
    Topic,
)

Operation = Literal["Read", "Write", "Describe"]


class Right(NamedTuple):
    """One operation on one topic or consumer group, by its name on the cluster."""

    operation: Operation
    kind: Literal["topic", "group"]
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on the {self.kind} {self.name}"


@dataclass(frozen=True)
class Rights:
    """The topics a component reads and writes, and its groups, which workers name.

    `Read` and `Write` include `Describe`, and `Write` the right of an idempotent producer (Kafka
    2.8 and newer).
    """

    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    joins: tuple[str, ...] = ()
    looks_at: tuple[str, ...] = ()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All that it has to do with, each once."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    def to_look(self) -> "Rights":
        """Returns the rights that suffice to show what would be done."""
        return Rights(self.reads, looks_at=(*self.joins, *self.looks_at))

    def in_dry_run(self, name: str) -> "Rights":
        """Returns what a worker needs that writes nothing, and joins a group of its own."""
        return replace(self, writes=(), joins=(name,))

    def on(self, kafka: KafkaSettings) -> Iterator[Right]:
        """The rights on a cluster."""
        for topic in self.reads:
            yield Right("Read", "topic", kafka.topic(topic.name))
        for topic in self.writes:
            yield Right("Write", "topic", kafka.topic(topic.name))
        for worker in self.joins:
            yield Right("Read", "group", kafka.group(worker))
        for worker in self.looks_at:
            yield Right("Describe", "group", kafka.group(worker))


RECEIVER = Rights(writes=(RAW,))
ROUTER = Rights((RAW,), (*BY_USER, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS), ("router",))


def of_sink(
    worker: str,
    reads: tuple[Topic, ...],
    keeps: tuple[Topic, ...] = (),
    groups: tuple[str, ...] = (),
) -> Rights:
    """Returns the rights of a sink's worker: `keeps` are its topics, `groups` further groups."""
    return Rights(
        (*reads, AUDIENCES, *keeps, RATE_LIMITS),
        (*keeps, RATE_LIMITS, DEAD_LETTERS),
        (worker, *groups),
    )
