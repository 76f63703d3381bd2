"""When a process could not be counted on."""

from collections.abc import Sequence
from dataclasses import dataclass

# Until a worker that lost touch has learnt what became of it.
_AFTERMATH_SECONDS = 10.0
# What a thawed process needs to write to their sockets the requests that it had decided on: an
# iteration of its event loop and a connection, while everybody else wants the processor too.
_THAW_SECONDS = 1.0


@dataclass(slots=True)
class Disturbance:
    """Between two moments `source`, a process, was not itself; None means every process.

    `frozen` says that it did nothing at all meanwhile, and went on as if nothing had been.
    """

    source: str | None
    begin: float
    end: float
    frozen: bool = False


def disturbed(disturbances: Sequence[Disturbance], source: str, begin: float, end: float) -> bool:
    """Whether anything befell a process between two moments, or had only just ended."""
    return befallen(disturbances, source, begin - _AFTERMATH_SECONDS, end)


def befallen(disturbances: Sequence[Disturbance], source: str, begin: float, end: float) -> bool:
    """Whether a process was not itself at any time between two moments."""
    return any(
        each.source in (None, source) and each.begin <= end and each.end >= begin
        for each in disturbances
    )


def thawed(disturbances: Sequence[Disturbance], source: str, at: float) -> Disturbance | None:
    """The freeze out of which a process came so lately that it still does what it was about to."""
    return next(
        (
            each
            for each in disturbances
            if each.frozen and each.source == source and each.end <= at <= each.end + _THAW_SECONDS
        ),
        None,
    )
