"""One request, and what is noted of it."""

import time
from typing import Any

from streams import metrics
from streams.delivery.connections import Connections
from streams.delivery.outcomes import Blocked, Delivered, Outcome, Rejected, RetryLater
from streams.delivery.sink import Batch, Sink

_NAMES = {
    Delivered: "delivered",
    Rejected: "rejected",
    RetryLater: "retry_later",
    Blocked: "blocked",
}


async def send(
    sink: Sink[Any], endpoint: str, batch: Batch[Any], connections: Connections
) -> Outcome:
    """Tries once; tells the metrics what came of it, and the connections how long it took."""
    labels = {"destination": sink.destination, "endpoint": endpoint}
    metrics.RECORDS_PER_REQUEST.labels(**labels).observe(batch.size)
    started = time.monotonic()
    outcome = await sink.send(batch.request)
    seconds = time.monotonic() - started
    connections.observe(endpoint, seconds)
    metrics.REQUEST_SECONDS.labels(**labels).observe(seconds)
    metrics.REQUESTS.labels(**labels, outcome=_NAMES[type(outcome)]).inc()
    return outcome
