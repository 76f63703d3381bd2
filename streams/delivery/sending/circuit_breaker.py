"""Nothing goes on until a person mends something."""

from collections.abc import Mapping

import structlog
from prometheus_client import Gauge

from streams import metrics
from streams.delivery.sending.endpoint import Endpoint
from streams.outcomes import (
    Blocked,
)

log = structlog.get_logger()


class Block:
    """Why that is so, if it is; told to all endpoints, the log and the metrics."""

    def __init__(self, destination: str, endpoints: Mapping[str, Endpoint]) -> None:
        self._destination = destination
        self._endpoints = endpoints
        self.why: Blocked | None = None
        self.held = False

    def set(self, why: Blocked) -> None:
        """One request at a time probes from now on."""
        if self.why == why:
            return
        if self.why is not None:
            self._gauge(self.why).set(0)
        self.why = why
        self._gauge(why).set(1)
        log.error("blocked", reason=why.reason, what_to_do=why.what_to_do)
        for endpoint in self._endpoints.values():
            endpoint.blocked = True

    def hold(self, why: Blocked | None) -> None:
        """Sends nothing more, for as long as this process lives; None changes nothing."""
        if why is None or self.held:
            return
        self.set(why)
        self.held = True
        for endpoint in self._endpoints.values():
            endpoint.held = True

    def lift(self) -> None:
        """A request has passed."""
        why = self.why
        if why is None or self.held:
            return
        self.why = None
        log.info("unblocked", reason=why.reason)
        self._gauge(why).set(0)
        for endpoint in self._endpoints.values():
            endpoint.blocked = False

    def _gauge(self, why: Blocked) -> Gauge:
        return metrics.BLOCKED.labels(destination=self._destination, reason=why.reason)
