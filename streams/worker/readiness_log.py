"""One line of log for each state that a worker comes into."""

import asyncio
import logging
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_POLL_SECONDS = 1.0
# States that every start and rebalance passes through.
_ORDINARY = frozenset({"ready", "no_partitions", "starting"})


class States:
    """Tells a state when it is another than before."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, state: str, why_not: str | None) -> None:
        if state == self._told:
            return
        self._told = state
        level = logging.INFO if state in _ORDINARY else logging.WARNING
        log.log(level, "readiness_changed", state=state, detail=why_not)


async def keep_states(look: Callable[[], tuple[str, str | None]]) -> None:
    """Looks until cancelled; `look` gives a state, and unless the worker is ready why not."""
    states = States()
    while True:
        states.tell(*look())
        await asyncio.sleep(_POLL_SECONDS)
