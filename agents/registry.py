"""Every destination there is: a folder beside this file that has a `sink.py`."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import agents
from streams.delivery.sink import Sink
from streams.settings import Settings


@dataclass(frozen=True)
class Destination:
    """What a destination's `sink.py` says of itself in `DESTINATION`.

    `placeholders` stand in for settings without a default where nothing is sent.
    """

    name: str
    settings: type[Settings]
    sink: Callable[[Any], Sink[Any]]
    placeholders: Mapping[str, str] = field(default_factory=dict)


@cache
def destinations() -> Mapping[str, Destination]:
    """All destinations by name."""
    found = (
        import_module(f"agents.{module.name}.sink").DESTINATION
        for module in pkgutil.iter_modules(agents.__path__)
        if module.ispkg and find_spec(f"agents.{module.name}.sink")
    )
    return {destination.name: destination for destination in found}
