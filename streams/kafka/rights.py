"""What each component needs to be allowed at Kafka: these rights, and no more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from streams.settings import DRY_RUN_SUFFIX, KafkaSettings
from streams.topics import (
    AB_TASTY_AUDIENCES,
    AB_TASTY_MEMBERS,
    AUDIENCE_MEMBERSHIP,
    AUDIENCES,
    BY_USER,
    DEAD_LETTERS,
    PRIVACY_REQUESTS,
    RATE_LIMITS,
    RAW,
    SAILTHRU_AUDIENCES,
    SAILTHRU_LISTS,
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
    """What a component reads and writes, and as whom; groups are named by their workers.

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
        """What is enough where it only shows what it would do."""
        return Rights(self.reads, looks_at=(*self.joins, *self.looks_at))

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


AB_TASTY_REFRESH = "ab-tasty-refresh"
"""The group in which AB Tasty's worker keeps how far it has sent members' rows again."""
_WORKERS = ("router", "sailthru", "ab-tasty")
_SENT_AGAIN = (RAW, *BY_USER)
_READS: Mapping[str, tuple[Topic, ...]] = {
    "router": (RAW,),
    "sailthru": (*BY_USER, AUDIENCES, SAILTHRU_LISTS, SAILTHRU_AUDIENCES, RATE_LIMITS),
    "ab-tasty": (
        AUDIENCE_MEMBERSHIP,
        AUDIENCES,
        AB_TASTY_AUDIENCES,
        AB_TASTY_MEMBERS,
        RATE_LIMITS,
    ),
}

RIGHTS: Mapping[str, Rights] = {
    "receiver": Rights(writes=(RAW,)),
    "router": Rights(
        _READS["router"],
        (*BY_USER, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS),
        ("router",),
    ),
    "sailthru": Rights(
        _READS["sailthru"],
        (SAILTHRU_LISTS, SAILTHRU_AUDIENCES, RATE_LIMITS, DEAD_LETTERS),
        ("sailthru",),
    ),
    "ab-tasty": Rights(
        _READS["ab-tasty"],
        (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS, RATE_LIMITS, DEAD_LETTERS),
        ("ab-tasty", AB_TASTY_REFRESH),
    ),
    "trace": Rights((*_SENT_AGAIN, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS), looks_at=_WORKERS),
    "dead-letters": Rights((DEAD_LETTERS,), looks_at=_WORKERS),
    "redrive": Rights((DEAD_LETTERS, *_SENT_AGAIN), _SENT_AGAIN, looks_at=_WORKERS),
    "replay-router": Rights((RAW,), joins=("router",)),
    "replay-sailthru": Rights(BY_USER, joins=("sailthru",)),
    "replay-ab-tasty": Rights((AUDIENCE_MEMBERSHIP,), joins=("ab-tasty",)),
    "leave-router": Rights(joins=("router",)),
    "leave-sailthru": Rights(joins=("sailthru",)),
    "leave-ab-tasty": Rights(joins=("ab-tasty",)),
    "fill": Rights((*BY_USER, AUDIENCES), (DEAD_LETTERS,), ("sailthru", "sailthru-fill")),
}
"""By the component's name. `check` looks with the rights of what it checks."""


COMPONENTS = (*RIGHTS, *(f"{name}{DRY_RUN_SUFFIX}" for name in _WORKERS[1:]))
"""All names, dry runs included."""


def of_sink(worker: str, reads: tuple[Topic, ...]) -> Rights:
    """What a sink's worker needs that keeps nothing of its own in Kafka."""
    return Rights((*reads, AUDIENCES, RATE_LIMITS), (RATE_LIMITS, DEAD_LETTERS), (worker,))


def of(component: str, reads: tuple[Topic, ...] = ()) -> Rights | None:
    """What a component needs; None where it is none of ours, and reads nothing.

    A worker in a dry run writes nothing.
    """
    worker = component.removesuffix(DRY_RUN_SUFFIX)
    rights = RIGHTS.get(worker, of_sink(worker, reads) if reads else None)
    if rights is None or not component.endswith(DRY_RUN_SUFFIX):
        return rights
    return replace(rights, writes=(), joins=(component,))
