"""Stops requests to what fails: probes an endpoint that is down, sets aside a lane that fails.

Three switches, from the smallest to the largest: a lane's quarantine, an endpoint's circuit
breaker, a destination's gate.
"""

import structlog

from streams import clocks, metrics
from streams.delivery.policy import BreakerPolicy, step
from streams.delivery.sink import LaneKey
from streams.outcomes import Blocked

log = structlog.get_logger()


class Quarantine:
    """Lanes that failed by themselves for too long.

    Each is given up as soon as it fails by itself, until a request of it passes or time is over.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[LaneKey, float] = {}

    def holds(self, lane: LaneKey) -> bool:
        return self._until.get(lane, 0.0) > clocks.monotonic()

    def add(self, lane: LaneKey) -> None:
        """Holds a lane from now on, and forgets those whose time is over."""
        now = clocks.monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._until[lane] = now + self._seconds

    def release(self, lane: LaneKey) -> None:
        """A request of the lane passed, or all parts of one."""
        self._until.pop(lane, None)


class CircuitBreaker:
    """An endpoint's: closed lets all requests through, open one probe at a time.

    It opens when several lanes have failed since anything passed; the first success closes it.
    """

    def __init__(self, endpoint: str, policy: BreakerPolicy) -> None:
        self._endpoint = endpoint
        self._policy = policy
        # Since the last success: which lanes have failed, and how often anything did. One lane that
        # fails again and again is no outage, so lanes open it, and failures only show.
        self._failing: set[LaneKey] = set()
        self._failures = 0
        self._probes = 0
        self.passed_sent_at = float("-inf")
        """When the last request was sent that has passed: before it failed, that says nothing."""
        self.is_open = False
        self.is_failing = False
        """Whether request after request fails; with few lanes it is not open, and yet an outage."""

    @property
    def probe_pause_s(self) -> float:
        """For how long to wait before the next probe."""
        return step(self._policy.probe_s, self._probes)

    def record_success(self, sent_at: float) -> None:
        """Something passed: the endpoint works, whoever else fails."""
        self.passed_sent_at = max(self.passed_sent_at, sent_at)
        if self._failures:
            self._failing.clear()
            self._failures = self._probes = 0
            self._judge()

    def record_failure(self, lane: LaneKey) -> None:
        """One lane failed: of the endpoint that says little, and several say enough."""
        self._failing.add(lane)
        self._failures += 1
        self._judge()
        self._probes += self.is_open

    def record_outage(self) -> None:
        """Begins an outage at once, and charges no lane: the service says it serves nobody."""
        self._failures += self._policy.down_after
        self._judge()

    def _judge(self) -> None:
        """Takes the state from what is counted; the log is told of each change."""
        was_failing, down_after = self.is_failing, self._policy.down_after
        self.is_open = len(self._failing) >= down_after
        self.is_failing = self.is_open or self._failures >= down_after
        if was_failing != self.is_failing:
            state = "circuit_breaker_opened" if self.is_failing else "circuit_breaker_closed"
            log.warning(state, endpoint=self._endpoint)


class Gate:
    """A destination's: an endpoint is blocked until a request of it passes, or all are held.

    Endpoints ask it; the log and the metrics are told of each change. What is held stays so while
    this process lives.
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._held: Blocked | None = None
        # By endpoint: what a person is to mend, and the lanes that were told so since it passed.
        self._blocks: dict[str, Blocked] = {}
        self._refused: dict[str, set[LaneKey]] = {}
        # Reasons that the metrics have shown once: they are nought again, and not gone.
        self._shown: set[str] = set()

    @property
    def why(self) -> Blocked | None:
        """Returns what a person is to mend first; None when nothing waits for one."""
        return self._held or next(iter(self._blocks.values()), None)

    @property
    def is_held(self) -> bool:
        return self._held is not None

    def is_blocked(self, endpoint: str) -> bool:
        """Returns whether one request at a time probes."""
        return endpoint in self._blocks

    def is_blocked_for_several(self, endpoint: str) -> bool:
        """Returns whether probes have to wait: of one lane alone, nobody knows yet whose fault."""
        return len(self._refused.get(endpoint, ())) > 1

    def block(self, endpoint: str, lane: LaneKey, why: Blocked) -> None:
        """A request of a lane's was refused there for what a person has to mend."""
        self._refused.setdefault(endpoint, set()).add(lane)
        if self._blocks.get(endpoint) != why:
            self._blocks[endpoint] = why
            self._tell(endpoint, why)

    def unblock(self, endpoint: str) -> None:
        """A request has passed. What is held stays held."""
        why = self._blocks.pop(endpoint, None)
        if why is not None:
            del self._refused[endpoint]
            log.info("delivery_resumed", endpoint=endpoint, reason=why.reason)
            self._show()

    def hold(self, why: Blocked | None) -> None:
        """Lets nothing more through; None changes nothing."""
        if why is not None and self._held is None:
            self._held = why
            self._tell("all", why)

    def _tell(self, endpoint: str, why: Blocked) -> None:
        log.error(
            "delivery_blocked", endpoint=endpoint, reason=why.reason, what_to_do=why.what_to_do
        )
        self._show()

    def _show(self) -> None:
        whys = [*self._blocks.values(), *([self._held] if self._held else [])]
        reasons = {why.reason for why in whys}
        self._shown |= reasons
        for reason in self._shown:
            metrics.BLOCKED.labels(self._destination, reason).set(reason in reasons)
