"""Decides what follows from an outcome, as a pure function; turn.py does it."""

from dataclasses import dataclass
from typing import TypeAlias

from streams.outcomes import (
    Blocked,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a lane and its endpoint once an outcome has been recorded."""

    size: int
    """Records that the request carried."""
    fails_by_itself: bool = False
    """Whether something has passed at the endpoint between the lane's last two failures."""
    failing_s: float = 0.0
    """For how many seconds the lane has failed by itself."""
    is_quarantined: bool = False
    """Whether the lane has used up its patience lately."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The records have ended, delivered."""


@dataclass(frozen=True, slots=True)
class Bury:
    """The one record becomes a dead letter."""

    why: Rejected


@dataclass(frozen=True, slots=True)
class Halve:
    """The next request carries half of them, to find the one that is refused."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The lane's patience has come to an end: for a while it is given none."""

    then: Bury | Halve


@dataclass(frozen=True, slots=True)
class BackOff:
    """The lane alone waits, `after` seconds at the least, and tries the same again."""

    after: float | None = None


@dataclass(frozen=True, slots=True)
class CloseLimit:
    """The endpoint's rate limit lets nothing out, for so many seconds if they are known."""

    after: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The endpoint lets nothing out for so many seconds, and that is an outage."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Block:
    """All that is for the endpoint waits for a person."""

    why: Blocked


Decision: TypeAlias = Complete | Bury | Halve | Quarantine | BackOff | CloseLimit | Pause | Block


def decide(outcome: Outcome, standing: Standing, patience_s: float) -> Decision:
    """Says what follows from an outcome; the same of the same, and nothing is changed by it."""
    match outcome:
        case Delivered():
            return Complete()
        case Rejected():
            return refuse(outcome, standing.size)
        case Throttled(after=after):
            return CloseLimit(after)
        case Unavailable(after=after):
            return Pause(after or 1.0)
        case Misconfigured() if not standing.fails_by_itself:
            return Block(outcome.block())
        case Misconfigured() | RetryRecord():
            failed = outcome.alone() if isinstance(outcome, Misconfigured) else outcome
            return _retry(failed, standing, patience_s)


def refuse(why: Rejected, size: int) -> Bury | Halve:
    """A record that was refused alone is the bad one; of several it is still to be found."""
    return Bury(why) if size == 1 else Halve()


def _retry(outcome: RetryRecord, standing: Standing, patience_s: float) -> Decision:
    is_spent = standing.is_quarantined or standing.failing_s >= patience_s
    if not (is_spent and standing.fails_by_itself):
        return BackOff(outcome.after)
    # Together they failed; which of them alone would pass is still to be seen.
    then = refuse(Rejected("retries_exhausted", outcome.reason), standing.size)
    return then if standing.is_quarantined else Quarantine(then)
