"""Makes, runs and closes all endpoints of one destination."""

import asyncio
import math
from collections.abc import Awaitable

from streams.dead_letters.writer import FloodGuard
from streams.delivery.components import Components
from streams.delivery.lane import Item, Lane
from streams.delivery.rate_limit.demand_exchange import DemandExchange
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sending.circuit_breaker import Gate
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.endpoint import Endpoint
from streams.delivery.sending.gauges import show
from streams.delivery.sending.turn import Turn
from streams.delivery.sink import LaneKey
from streams.engine.partition_tasks import end_within
from streams.outcomes import Blocked


class Endpoints:
    """The endpoints of a destination: records wait there, and one gate may hold them all."""

    def __init__(
        self,
        components: Components,
        connections: int,
        guard: FloodGuard,
        sharing: DemandExchange | None = None,
    ) -> None:
        """Has the rate limits for this worker alone where `sharing` is None."""
        outlet, may_send = components.outlet, components.may_send
        self._outlet = outlet
        self._sharing = sharing
        self._gate = Gate(outlet.name)
        self.pacer = Pacer(
            outlet.sink.limits,
            ours=outlet.sink.rate_limit_share,
            part=sharing.shares.part if sharing else None,
            may_send=may_send,
        )
        slots = Connections(connections)
        turn = Turn(components, guard, self._gate, slots, lambda name: self._endpoints[name])
        self._endpoints = {
            name: Endpoint(name, limit, slots, self._gate, turn, may_send, components.policy)
            for name, limit in self.pacer.limits.items()
        }
        show(outlet.name, self._endpoints, slots, sharing)

    @property
    def blocked(self) -> Blocked | None:
        return self._gate.why

    @property
    def limited(self) -> str | None:
        """Names the endpoints that wait for longer than a limit by the minute asks for, and why."""
        return "; ".join(filter(None, (self._asked_to_wait(), self._used_up()))) or None

    def _asked_to_wait(self) -> str | None:
        closed = {
            name: left
            for name, endpoint in self._endpoints.items()
            if (left := endpoint.limit.closed_for_long) is not None
        }
        if not closed:
            return None
        each = ", ".join(f"{name} for {math.ceil(left)} s more" for name, left in closed.items())
        return (
            f"{self._outlet.name} asked to send nothing to {each}: ask it why, or find who "
            "else uses the account"
        )

    def _used_up(self) -> str | None:
        names = [
            name
            for name, endpoint in self._endpoints.items()
            if endpoint.lanes_waiting and endpoint.limit.is_used_up_by_others
        ]
        if not names:
            return None
        return (
            f"somebody else makes nearly all requests that {self._outlet.name} allows to "
            f"{', '.join(names)}: find who uses the account, and agree on shares"
        )

    @property
    def is_held(self) -> bool:
        return self._gate.is_held

    def hold(self, why: Blocked | None) -> None:
        """Sends nothing more, for as long as this process lives; None changes nothing."""
        self._gate.hold(why)

    @property
    def waits_on_purpose(self) -> bool:
        return self._gate.why is not None or any(
            endpoint.waits_on_purpose for endpoint in self._endpoints.values()
        )

    async def run(self) -> None:
        """Sends until cancelled; raises when something of ours is broken."""
        async with self._outlet.wire.session(self.pacer), asyncio.TaskGroup() as tasks:
            if self._sharing is not None:
                tasks.create_task(self._sharing.run(self._endpoints))
            for endpoint in self._endpoints.values():
                tasks.create_task(endpoint.run())

    def queue(self, key: LaneKey, item: Item) -> Lane:
        """Puts an item at the end of its lane, which it returns."""
        return self._endpoints[key.endpoint].queue(key, item)

    def close(self, deadline: float) -> Awaitable[None]:
        """Sends nothing new from now on; to be awaited for what is sent, `deadline` seconds."""
        under_way = set[asyncio.Task[None]]()
        for endpoint in self._endpoints.values():
            under_way |= endpoint.close()
        return end_within(deadline, under_way)
