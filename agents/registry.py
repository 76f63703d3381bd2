"""Every destination there is: a folder beside this file that has a `sink.py`."""

import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import agents
from streams.delivery.sink import Sink
from streams.http import HttpSettings
from streams.settings import KafkaSettings
from streams.topics import Topic


@dataclass(frozen=True)
class Destination:
    """What a destination's `sink.py` says of itself in `DESTINATION`."""

    name: str
    settings: type[HttpSettings]
    sink: Callable[..., Sink[Any]]
    """Makes the sink of its settings, and of Kafka's where it keeps something there."""
    topics: tuple[Topic, ...]
    """What it reads."""
    port: int
    """Of its worker's pages; ten more in a dry run."""


class Finding(NamedTuple):
    """What a check found, in a sentence; `open` is what it could not prove."""

    how: Literal["ok", "open", "wrong"]
    said: str


LiveCheck = Callable[[Any], AsyncIterator[Finding]]
KeptCheck = Callable[[KafkaSettings], AsyncIterator[Finding]]


@cache
def destinations() -> Mapping[str, Destination]:
    """All destinations by name."""
    found = (
        import_module(f"agents.{module.name}.sink").DESTINATION
        for module in pkgutil.iter_modules(agents.__path__)
        if module.ispkg and find_spec(f"agents.{module.name}.sink")
    )
    return {destination.name: destination for destination in found}


def topics() -> Mapping[str, Sequence[Topic]]:
    """The topics that each destination reads."""
    return {name: each.topics for name, each in destinations().items()}


def live_check(name: str) -> LiveCheck | None:
    """The function `live` in a destination's `check.py`, where it has one.

    It takes the destination's settings and tries them at the service, without changing anything.
    """
    live: LiveCheck | None = _check(name, "live")
    return live


def kept_check(name: str) -> KeptCheck | None:
    """The function `kept` there, which tells of what the destination keeps in Kafka."""
    kept: KeptCheck | None = _check(name, "kept")
    return kept


def _check(name: str, function: str) -> Any:
    module = f"agents.{name.replace('-', '_')}.check"
    return getattr(import_module(module), function, None) if find_spec(module) else None
