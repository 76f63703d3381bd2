"""One request, and what is noted of it."""

from collections.abc import Callable
from typing import Any

from streams import clocks, metrics
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sink import (
    Batch,
    Outlet,
)
from streams.fencing import UnsureError
from streams.outcomes import (
    Outcome,
)


async def send(
    outlet: Outlet,
    endpoint: str,
    batch: Batch[Any],
    connections: Connections,
    may_send: Callable[[], bool],
) -> Outcome:
    """Tries once; tells the metrics what came of it, and the connections how long it took.

    Raises UnsureError, and tells nobody, when this worker may no longer send.
    """
    if not may_send():
        raise UnsureError
    labels = {"destination": outlet.name, "endpoint": endpoint}
    started = clocks.monotonic()
    outcome = await outlet.wire.send(batch.request)
    seconds = clocks.monotonic() - started
    metrics.RECORDS_PER_REQUEST.labels(**labels).observe(batch.size)
    connections.observe(endpoint, seconds)
    metrics.REQUEST_SECONDS.labels(**labels).observe(seconds)
    metrics.REQUESTS.labels(**labels, outcome=outcome.tag).inc()
    return outcome
