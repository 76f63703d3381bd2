"""A destination's processor: takes its records from chunk to end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from streams.dead_letters.writer import FloodGuard
from streams.delivery.admission import Admission
from streams.delivery.completion import Ends
from streams.delivery.history import History
from streams.delivery.ordering.deduplication import Horizon
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import Precedence
from streams.delivery.rate_limit.demand_exchange import Sharing
from streams.delivery.recovery import Memory
from streams.delivery.resend import LaneFeed
from streams.delivery.sending.endpoints import Endpoints
from streams.delivery.sink import (
    Outlet,
)
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.engine.partition_tasks import ChunkLanes
from streams.engine.refusals import Refusals
from streams.kafka.tables import FollowedTable
from streams.outcomes import (
    Blocked,
)
from streams.topics import Topic

# A list takes seconds; after an owner's death as long as a session and a request may.
_PREPARES_SECONDS = 300.0


class Delivery:
    """Joins admission, endpoints and the memory of what has ended; the engine's processor."""

    def __init__(
        self,
        outlet: Outlet,
        topics: Mapping[str, Topic],
        ends: Ends,
        history: History,
        horizon: Horizon,
        staleness: Staleness,
        audiences: FollowedTable,
        precedence: Precedence | None,
        connections: int,
        max_rejected_share: float,
        may_send: Callable[[], bool],
        sharing: Sharing | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        """`topics` by their names on the cluster."""
        self._outlet = outlet
        self._horizon = horizon
        self._audiences = audiences
        self._precedence = precedence
        self._memory = Memory(outlet, topics, audiences, history, horizon, staleness, self._go_on)
        # Two guards, because records are admitted far ahead of those that are being answered.
        answers, admissions = (FloodGuard(max_rejected_share, outlet.sink.behind) for _ in range(2))
        self._endpoints = Endpoints(
            outlet, ends, precedence, connections, answers, may_send, sharing
        )
        self._feed = LaneFeed(self._endpoints, may_send, refusals or Refusals())
        self._chunks = ChunkLanes(
            Admission(
                outlet, topics, ends, horizon, staleness, precedence, self._endpoints, admissions
            ).admit
        )

    @property
    def blocked(self) -> Blocked | None:
        return self._endpoints.blocked or self._not_prepared()

    def _not_prepared(self) -> Blocked | None:
        """Names what is waited for in silence: another worker is to do it, and has not."""
        seconds = self._precedence.prepares_for() if self._precedence is not None else 0.0
        if seconds < _PREPARES_SECONDS:
            return None
        return Blocked(
            "not_prepared",
            f"What records need first, such as a list, has not been made for {seconds:.0f} s: look "
            "at /ready of this destination's other workers.",
        )

    @property
    def limited(self) -> str | None:
        return self._endpoints.limited

    @property
    def waits_on_purpose(self) -> bool:
        prepares = self._precedence is not None and self._precedence.prepares
        return prepares or self._endpoints.waits_on_purpose

    async def run(self) -> None:
        """Works until cancelled; raises when something of ours is broken."""
        async with AsyncExitStack() as stack:
            if self._precedence is not None:
                await stack.enter_async_context(self._precedence.session())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._audiences.run())
            tasks.create_task(self._memory.run())
            tasks.create_task(self._chunks.run())
            tasks.create_task(self._endpoints.run())
            if self._outlet.resends is not None:
                tasks.create_task(self._outlet.resends.resend(self._feed))

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Has them fetched once it is known what ended before, so that nothing is sent again."""
        for partition in partitions:
            if self._precedence is not None and partition.tp.topic == self._precedence.updates:
                self._precedence.started(partition.tp.partition, partition.offsets.position)
        self._memory.assigned(partitions)

    async def held(self, partitions: Sequence[Partition]) -> None:
        """What this worker does for all because it has a partition, it goes on doing."""
        self._feed.held = (*self._feed.held, *partitions)

    def _go_on(self, partitions: Sequence[Partition]) -> None:
        self._chunks.assigned(partitions)
        self._feed.partitions = (*self._feed.partitions, *partitions)
        self._feed.held = [each for each in self._feed.held if not each.closed]

    async def accept(self, chunk: Chunk) -> None:
        """Takes a chunk; never waits, for that would hold back the other partitions."""
        self._chunks.accept(chunk)

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        """Sends nothing new; waits for what is in flight, `deadline` seconds.

        All of it: every rebalance revokes everything.
        """
        self._feed.partitions = self._feed.held = ()
        # Before anything else may run: what waits for updates must not find nothing to wait for.
        sent = self._endpoints.close(deadline)
        if self._precedence is not None:
            self._precedence.close()
        await asyncio.gather(
            self._memory.revoked(partitions),
            sent,
            self._chunks.revoked(partitions, deadline),
        )
        self._horizon.close()
