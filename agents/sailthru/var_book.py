"""Finds names of different messages that share a var of profiles: no single call shows it."""

import re

import structlog

from agents.sailthru.var_names import VarNames
from models.record import Record
from models.user_update import AttributesChanged
from streams import metrics

log = structlog.get_logger()

# An attribute's name is the account's own, but nobody keeps a person's data out of it.
_TELLABLE = re.compile(r"\$?[A-Za-z_][A-Za-z _-]{0,63}")


class VarBook:
    """Remembers the first name of each var, and tells of the others, of each once.

    It forgets nobody and takes no more than `limit` names, far above what one account has.
    """

    def __init__(self, names: VarNames, limit: int = 10_000) -> None:
        self._names = names
        self._limit = limit
        self._met: set[str] = set()
        self._first: dict[str, str] = {}

    def learn(self, record: Record) -> None:
        if isinstance(record, AttributesChanged):
            for name in (*record.attributes, *record.removed):
                if name not in self._met and len(self._met) < self._limit:
                    self._meet(name)

    def _meet(self, name: str) -> None:
        self._met.add(name)
        var = self._names.var(name)
        first = self._first.setdefault(var, name)
        if self._names.is_same(first, name):
            return
        metrics.VAR_NAMES.labels(destination="sailthru", reason="collides").inc()
        log.warning(
            "var_name_conflict",
            name=var if _TELLABLE.fullmatch(var) else None,
            detail=f"{_told(first)} and {_told(name)} share a var",
            what_to_do="Name one of them with SAILTHRU_VAR_NAMES, or rename it in mParticle.",
        )


def _told(name: str) -> str:
    return name if _TELLABLE.fullmatch(name) else "another name"
