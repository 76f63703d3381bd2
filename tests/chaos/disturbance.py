"""When a process could not be counted on."""

from collections.abc import Sequence
from dataclasses import dataclass

# Until a worker that lost touch has learnt what became of it.
_AFTERMATH_SECONDS = 10.0


@dataclass(slots=True)
class Disturbance:
    """Between two moments `source`, a process, was not itself; None means every process."""

    source: str | None
    begin: float
    end: float


def disturbed(disturbances: Sequence[Disturbance], source: str, begin: float, end: float) -> bool:
    """Whether anything befell a process between two moments, or had only just ended."""
    return befallen(disturbances, source, begin - _AFTERMATH_SECONDS, end)


def befallen(disturbances: Sequence[Disturbance], source: str, begin: float, end: float) -> bool:
    """Whether a process was not itself at any time between two moments."""
    return any(
        each.source in (None, source) and each.begin <= end and each.end >= begin
        for each in disturbances
    )
