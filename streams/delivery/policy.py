"""The waits and tries of a delivery, as frozen values that its maker passes in."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The tries of a lane that fails while others pass. All durations are in seconds."""

    backoff_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    """Seconds that a lane waits between two tries, by how often it has failed in a row."""
    patience_s: float = 15 * 60.0
    """For how long a lane may fail while others pass."""
    quarantine_s: float = 60 * 60.0
    """For how long a lane is tried only once after that."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The limits that make failures an outage, and the pauses between probes, in seconds."""

    down_after: int = 5
    """So many lanes that fail without a success between them are an outage."""
    probe_s: tuple[float, ...] = (1.0, 2.0, 4.0, 5.0)
    """Between two probes of an endpoint that is down."""
    blocked_probe_s: float = 15.0
    """Between two probes while a person must mend something."""


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """The pauses between the rounds in which a sink sends records of its own, in seconds."""

    look_s: float = 0.5
    """Between two looks at offsets, which tell nobody that they moved."""
    settled_s: float = 60.0
    """The longest wait for what came before: others do not wait for a held partition."""


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """All that one delivery goes by; without changes it is that of every worker."""

    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    resend: ResendPolicy = ResendPolicy()
    updates_s: float = 30.0
    """For how long an event waits for its user's updates while they fail, or none moves."""
    fence_poll_s: float = 0.05
    """Between two looks at whether this worker may send again."""


OF_WORKERS = DeliveryPolicy()


def step(steps: tuple[float, ...], count: int) -> float:
    """The pause after so many failures, spread so that what failed together does not meet again."""
    return steps[min(count, len(steps)) - 1] * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
