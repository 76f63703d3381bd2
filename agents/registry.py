"""Every destination there is: a folder beside this file that has a `sink.py`."""

import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import agents
from streams.delivery.sink import Sink
from streams.http import HttpSettings
from streams.kafka.rights import Rights, of_sink
from streams.reasons import Reason
from streams.settings import KafkaSettings
from streams.topics import ALL, Topic


@dataclass(frozen=True)
class Destination:
    """A destination as its `sink.py` describes it in `DESTINATION`."""

    name: str
    settings: type[HttpSettings]
    sink: Callable[..., Sink[Any]]
    """Makes the sink of its settings, and of Kafka's where it keeps something there."""
    topics: tuple[Topic, ...]
    """The topics that it reads."""
    port: int
    """The port of its worker's pages; a dry run has the port ten above."""
    drops: tuple[Reason, ...] = ()
    """Why it leaves records out, beside the reasons that all destinations share."""
    rejects: tuple[Reason, ...] = ()
    """Why records of it become dead letters, likewise."""
    keeps: tuple[Topic, ...] = ()
    """Topics of its own, which its worker alone reads and writes."""
    groups: tuple[str, ...] = ()
    """Consumer groups that its worker joins beside its own."""
    commands: Mapping[str, Rights] = field(default_factory=dict)
    """What commands need at Kafka that are of this destination alone."""

    @property
    def rights(self) -> Rights:
        """Returns what its worker needs at Kafka."""
        return of_sink(self.name, self.topics, self.keeps, self.groups)


class Finding(NamedTuple):
    """The finding of a check, in a sentence; `open` is what it could not prove."""

    how: Literal["ok", "open", "wrong"]
    said: str


LiveCheck = Callable[[Any], AsyncIterator[Finding]]
ConflictCheck = Callable[[KafkaSettings], AsyncIterator[Finding]]


@cache
def destinations() -> Mapping[str, Destination]:
    """All destinations by name."""
    found = (
        import_module(f"agents.{module.name}.sink").DESTINATION
        for module in pkgutil.iter_modules(agents.__path__)
        if module.ispkg and find_spec(f"agents.{module.name}.sink")
    )
    return {destination.name: destination for destination in found}


def all_topics() -> tuple[Topic, ...]:
    """Every topic there is, those of destinations behind the others."""
    return (*ALL, *(topic for each in destinations().values() for topic in each.keeps))


def topics() -> Mapping[str, Sequence[Topic]]:
    """The topics that each destination reads."""
    return {name: each.topics for name, each in destinations().items()}


def live_check(name: str) -> LiveCheck | None:
    """The function `live` in a destination's `check.py`, where it has one.

    It takes the destination's settings and tries them at the service, without changing anything.
    """
    live: LiveCheck | None = _check(name, "live")
    return live


def conflict_check(name: str) -> ConflictCheck | None:
    """The function `name_conflicts` there, which yields audiences that another took the name of."""
    conflicts: ConflictCheck | None = _check(name, "name_conflicts")
    return conflicts


def _check(name: str, function: str) -> Any:
    module = f"agents.{name.replace('-', '_')}.check"
    return getattr(import_module(module), function, None) if find_spec(module) else None
