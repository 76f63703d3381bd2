"""Gauges of a destination's endpoints, which are read when somebody asks for the metrics."""

from collections.abc import Mapping
from typing import get_args

from streams import metrics
from streams.delivery.rate_limit.demand_exchange import DemandExchange
from streams.delivery.rate_limit.limiter import Ignored
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.endpoint import Endpoint


def show(
    destination: str,
    endpoints: Mapping[str, Endpoint],
    connections: Connections,
    sharing: DemandExchange | None,
) -> None:
    """Registers callbacks, so that the gauges show these whenever somebody asks."""
    metrics.CONNECTIONS.labels(destination).set_function(lambda: connections.allowed)
    if sharing is not None:
        metrics.SHARERS.labels(destination).set_function(lambda: sharing.shares.workers)
    for name, endpoint in endpoints.items():
        _show(endpoint, destination, name)


def _show(endpoint: Endpoint, destination: str, name: str) -> None:
    limit = endpoint.limit
    at = (destination, name)
    metrics.RATE_LIMITED.labels(*at)  # from nought, or an alert misses the first
    metrics.LANES_WAITING.labels(*at).set_function(lambda: endpoint.lanes_waiting)
    metrics.CEILING.labels(*at).set_function(lambda: limit.per_minute or -1)
    metrics.SHARE.labels(*at).set_function(lambda: -1 if limit.share is None else limit.share)
    metrics.FOREIGN.labels(*at).set_function(lambda: limit.foreign)
    for header in get_args(Ignored):
        metrics.RATE_HEADERS_IGNORED.labels(*at, header)  # from nought, as above
    limit.on_ignored = lambda header: metrics.RATE_HEADERS_IGNORED.labels(*at, header).inc()
    metrics.CLOSED.labels(*at).set_function(lambda: limit.is_paused)
    metrics.DOWN.labels(*at).set_function(lambda: endpoint.breaker.is_failing)
