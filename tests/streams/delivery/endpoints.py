"""An endpoint whose lanes do with their turn what a test says."""

from collections.abc import Awaitable, Callable

from streams.delivery.lane import Lane
from streams.delivery.policy import OF_WORKERS, DeliveryPolicy
from streams.delivery.rate_limit.limiter import RateLimit
from streams.delivery.sending.circuit_breaker import Gate
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.endpoint import Endpoint
from streams.fencing import MaySend

Send = Callable[[Lane], Awaitable[None]]


class _Turns:
    def __init__(self, send: Send) -> None:
        self._send = send

    async def take(self, lane: Lane, endpoint: Endpoint) -> None:
        del endpoint
        await self._send(lane)


def endpoint_of(
    send: Send,
    limit: RateLimit,
    slots: Connections,
    *,
    gate: Gate | None = None,
    may_send: MaySend = lambda: True,
    policy: DeliveryPolicy = OF_WORKERS,
) -> Endpoint:
    gate = gate or Gate("scripted")
    return Endpoint("call", limit, slots, gate, _Turns(send), may_send, policy)
