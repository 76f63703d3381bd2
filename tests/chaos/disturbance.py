"""When a process could not be counted on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Disturbance:
    """Between two moments `source`, a process, was not itself; None means every process."""

    source: str | None
    begin: float
    end: float


def disturbed(disturbances: Sequence[Disturbance], source: str, begin: float, end: float) -> bool:
    """Whether anything befell a process between two moments, both included."""
    return any(
        each.source in (None, source) and each.begin <= end and each.end >= begin
        for each in disturbances
    )
