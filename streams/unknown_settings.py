"""Variables that look like settings of ours and are none, which would be ignored without a word."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

import structlog

from streams.base_settings import Settings, is_service_link

log = structlog.get_logger()

# The likeness of what follows the prefix, which is equal in any case.
_ALIKE = 0.7
# Kubernetes documentation, "Service", "Environment variables": one set for each Service of the
# namespace, so that one called kafka makes KAFKA_SERVICE_HOST. `NAME_PORT` is told by its value.
_SERVICE_LINK = re.compile(
    r".+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


class Unknown(NamedTuple):
    """A variable that is no setting, and the setting that is written most like it, if any is."""

    name: str
    nearest: str | None

    @property
    def what_to_do(self) -> str:
        """A clause; what the variable is set to is not in it."""
        if self.nearest is None:
            return "mparticle-streams settings lists those there are"
        return f"write {self.nearest}, if that is meant"


def unknown(environment: Mapping[str, str], groups: Iterable[type[Settings]]) -> Iterator[Unknown]:
    """Those that begin as the settings of these groups do, in the order of their names."""
    names: dict[str, list[str]] = {}
    for group in groups:
        of_group = names.setdefault(str(group.model_config.get("env_prefix", "")), [])
        of_group += map(group.variable, group.model_fields)
    names.pop("", None)
    settings = {name for of_prefix in names.values() for name in of_prefix}
    known = settings | {f"{name}_FILE" for name in settings}
    for name in sorted(environment):
        # Settings are read in whatever case they are written.
        written = name.upper()
        begins = [prefix for prefix in names if written.startswith(prefix)]
        if not begins or written in known or _is_of_kubernetes(written, environment[name]):
            continue
        yield Unknown(name, _nearest(written, max(begins, key=len), known))


def _is_of_kubernetes(name: str, value: str) -> bool:
    return is_service_link(name, value) or _SERVICE_LINK.fullmatch(name) is not None


def _nearest(name: str, prefix: str, known: Iterable[str]) -> str | None:
    ends = {each.removeprefix(prefix): each for each in known if each.startswith(prefix)}
    found = get_close_matches(name.removeprefix(prefix), ends, n=1, cutoff=_ALIKE)
    return ends[found[0]] if found else None


def groups() -> list[type[Settings]]:
    """The groups of settings that this process has the code of."""
    found: list[type[Settings]] = []
    waiting = [Settings]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        found += subclasses
        waiting += subclasses
    return [each for each in found if each.model_config.get("env_prefix")]


def tell() -> None:
    """Logs a line for each in this process's environment: it may be another program's."""
    for each in unknown(os.environ, groups()):
        log.warning("unknown_setting", name=each.name, what_to_do=each.what_to_do)
