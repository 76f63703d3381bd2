"""How long the delivery waits, and how often it tries."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """All durations are in seconds."""

    backoff_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    """Seconds that a lane waits between two tries, by how often it has failed in a row."""
    patience_s: float = 15 * 60.0
    """For how long a lane may fail while others pass."""
    quarantine_s: float = 60 * 60.0
    """For how long a lane is tried only once after that."""
    down_after: int = 5
    """So many lanes that fail without a success between them are an outage."""
    probe_s: tuple[float, ...] = (1.0, 2.0, 4.0, 5.0)
    """Between two probes of an endpoint that is down."""
    blocked_probe_s: float = 15.0
    """Between two probes while a person must mend something."""
    fence_poll_s: float = 0.05
    """Between two looks at whether this worker may send again."""


SENDING = SendingPolicy()
"""The policy of every worker."""


def step(steps: tuple[float, ...], count: int) -> float:
    """The pause after so many failures, spread so that what failed together does not meet again."""
    return steps[min(count, len(steps)) - 1] * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
