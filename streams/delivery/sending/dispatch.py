"""From lane to outcome: fold, send, judge."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import structlog

from streams import metrics
from streams.dead_letters.writer import FloodGuard
from streams.delivery.completion import Ends, mapping_error
from streams.delivery.lane import Item, Lane
from streams.delivery.ordering.update_barrier import Precedence
from streams.delivery.rate_limit.demand_exchange import Sharing
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sending.circuit_breaker import Block
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.endpoint import Endpoint
from streams.delivery.sending.gauges import show
from streams.delivery.sending.quarantine import Patience
from streams.delivery.sending.requests import send
from streams.delivery.sink import (
    LaneKey,
    Outlet,
)
from streams.engine.partition_tasks import end_within
from streams.fencing import UnsureError
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

log = structlog.get_logger()


class Dispatch:
    """The lanes of one destination, and the endpoints that give them their turns."""

    def __init__(
        self,
        outlet: Outlet,
        ends: Ends,
        precedence: Precedence | None,
        connections: int,
        guard: FloodGuard,
        may_send: Callable[[], bool],
        sharing: Sharing | None = None,
    ) -> None:
        """Without `sharing` this worker takes the rate limits for its own."""
        self._outlet = outlet
        sink = outlet.sink
        self._ends = ends
        self._precedence = precedence
        self._guard = guard
        self._lanes: dict[LaneKey, Lane] = {}
        self._patience = Patience()
        self._sharing = sharing
        self._pacer = Pacer(
            sink.limits,
            ours=sink.rate_share,
            part=sharing.shares.part if sharing else None,
            may_send=may_send,
        )
        self._connections = Connections(connections)
        self._endpoints = {
            name: Endpoint(limit, self._connections, self._send, may_send)
            for name, limit in self._pacer.limits.items()
        }
        self._block = Block(outlet.name, self._endpoints)
        show(outlet.name, self._endpoints, self._connections, sharing)

    @property
    def blocked(self) -> Blocked | None:
        return self._block.why

    @property
    def limited(self) -> str | None:
        """Which endpoints are closed for longer than a limit by the minute asks for, if any."""
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

    @property
    def held(self) -> bool:
        return self._block.held

    def hold(self, why: Blocked | None) -> None:
        """Sends nothing more, for as long as this process lives; None changes nothing."""
        self._block.hold(why)

    @property
    def waits_on_purpose(self) -> bool:
        return self.blocked is not None or any(
            endpoint.waits_on_purpose for endpoint in self._endpoints.values()
        )

    async def run(self) -> None:
        """Sends until cancelled; raises when something of ours is broken."""
        async with self._outlet.wire.session(self._pacer), asyncio.TaskGroup() as tasks:
            if self._sharing is not None:
                tasks.create_task(self._sharing.run(self._endpoints))
            for endpoint in self._endpoints.values():
                tasks.create_task(endpoint.run())

    def queue(self, key: LaneKey, item: Item) -> None:
        """Puts an item at the end of its lane."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
            self._endpoints[key.endpoint].ready(lane)
        lane.append(item)

    def close(self, deadline: float) -> Awaitable[None]:
        """Sends nothing new from now on; to be awaited for what is sent, `deadline` seconds."""
        for lane in self._lanes.values():
            lane.closed = True
        self._lanes = {}
        under_way = set[asyncio.Task[None]]()
        for endpoint in self._endpoints.values():
            under_way |= endpoint.close()
        return end_within(deadline, under_way)

    # -- one turn of a lane

    async def _send(self, lane: Lane) -> None:
        endpoint = self._endpoints[lane.key.endpoint]
        if lane.closed:
            endpoint.limit.give_back()
            return
        sink = self._outlet.sink
        ready = sink.most_records
        if self._precedence is not None:
            ready = self._precedence.ready(lane, lambda: self._next(lane, endpoint))
        if not (waiting := lane.head(ready)):
            endpoint.limit.give_back()
            return
        try:
            batch = sink.fold(lane.key, waiting)
        except Exception as error:  # noqa: BLE001 - see mapping_error; halving finds the record
            endpoint.limit.give_back()
            await self._refuse(lane, len(waiting), mapping_error(error))
            self._next(lane, endpoint)
            return
        try:
            outcome = await send(
                self._outlet, lane.key.endpoint, batch, self._connections, self._pacer.may_send
            )
        except UnsureError:
            # It was frozen since its endpoint asked. Nobody's failure; when it is sure again, and
            # the lane still its own, the records are folded anew.
            endpoint.limit.give_back()
            self._next(lane, endpoint)
            return
        lane.tried(batch.size)
        await self._judge(lane, batch.size, outcome)
        if endpoint.turned():
            state = "destination_down" if endpoint.failing else "destination_up"
            log.warning(state, endpoint=lane.key.endpoint)

    async def _judge(self, lane: Lane, size: int, outcome: Outcome) -> None:
        endpoint = self._endpoints[lane.key.endpoint]
        match outcome:
            case Delivered():
                self._block.lift()
                endpoint.passed()
                await self._deliver(lane, size)
            case Rejected():
                self._block.lift()
                endpoint.passed()
                await self._refuse(lane, size, outcome)
            case Unavailable():
                endpoint.out()
                endpoint.limit.close_for(outcome.after or 1.0)
            case Throttled():
                metrics.RATE_LIMITED.labels(self._outlet.name, lane.key.endpoint).inc()
                endpoint.limit.refused(outcome.after)
            case RetryRecord() if self._patient(lane, endpoint):
                if not lane.closed:
                    endpoint.ready_later(lane, outcome.after)
                return
            case RetryRecord():
                # Together they failed; which of them alone would pass is still to be seen.
                exhausted = Rejected("retries_exhausted", outcome.reason, blames="batch")
                await self._refuse(lane, size, exhausted)
            case Misconfigured():
                self._block.set(outcome.block())
        self._next(lane, endpoint)

    def _next(self, lane: Lane, endpoint: Endpoint) -> None:
        if lane.closed:
            return
        if lane:
            endpoint.ready(lane)
        else:
            del self._lanes[lane.key]

    def _patient(self, lane: Lane, endpoint: Endpoint) -> bool:
        """Whether to try again; while nothing passes at all it is not this lane's fault."""
        failing = endpoint.failed(lane)
        return endpoint.down or self._patience.lasts(lane.key, failing)

    async def _deliver(self, lane: Lane, size: int) -> None:
        self._patience.restore(lane.key)
        self._ends.delivered(lane.passed(size))
        for _ in range(size):
            self._guard.count(None)
        if (found := lane.suspect()) is not None:
            await self._bury(*found)

    async def _refuse(self, lane: Lane, size: int, why: Rejected) -> None:
        if (item := lane.refused(size, why)) is not None:
            await self._bury(item, why)

    async def _bury(self, item: Item, why: Rejected) -> None:
        if item.record is not None and self._outlet.resends is not None:
            await self._outlet.resends.on_dead_letter(item.record, item.source.partition)
        await self._ends.rejected([(item, why)])
        if why.blames != "account":
            self.hold(self._guard.count(why.reason))
