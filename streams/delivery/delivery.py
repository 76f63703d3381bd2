"""Joins the stages of one destination's delivery; the engine hands it chunks as its processor."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from streams.dead_letters.writer import FloodGuard
from streams.delivery.admission import Admission
from streams.delivery.components import Components
from streams.delivery.history import History
from streams.delivery.rate_limit.demand_exchange import DemandExchange
from streams.delivery.recovery import Recovery
from streams.delivery.resend import LaneFeed
from streams.delivery.sending.endpoints import Endpoints
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.engine.partition_tasks import PartitionTasks
from streams.engine.refusals import Refusals
from streams.kafka.tables import FollowedTable
from streams.outcomes import Blocked

# A list takes seconds; after an owner's death as long as a session and a request may.
_PREPARES_SECONDS = 300.0


class Delivery:
    """Joins admission, endpoints and the memory of what has ended; the engine's processor."""

    def __init__(
        self,
        components: Components,
        history: History,
        audiences: FollowedTable,
        connections: int,
        max_rejected_share: float,
        sharing: DemandExchange | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._outlet = components.outlet
        self._deduplication = components.deduplication
        self._barrier = components.barrier
        self._audiences = audiences
        self._recovery = Recovery(components, audiences, history, self._go_on)
        behind = components.outlet.sink.behind
        # Two guards, because records are admitted far ahead of those that are being answered.
        answers, admissions = (FloodGuard(max_rejected_share, behind) for _ in range(2))
        self._endpoints = Endpoints(components, connections, answers, sharing)
        self._feed = LaneFeed(
            self._endpoints, components.may_send, refusals or Refusals(), components.policy.resend
        )
        self._admission = Admission(components, self._endpoints, admissions)
        self._chunks = PartitionTasks(self._admission.admit)

    @property
    def blocked(self) -> Blocked | None:
        return self._endpoints.blocked or self._not_prepared()

    def _not_prepared(self) -> Blocked | None:
        """Names what is waited for in silence: another worker is to do it, and has not."""
        seconds = self._barrier.prepares_for()
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
        return self._barrier.prepares or self._endpoints.waits_on_purpose

    async def run(self) -> None:
        """Works until cancelled; raises when something of ours is broken."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._barrier.session())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._audiences.run())
            tasks.create_task(self._recovery.run())
            tasks.create_task(self._chunks.run())
            tasks.create_task(self._endpoints.run())
            if self._outlet.resends is not None:
                tasks.create_task(self._outlet.resends.resend(self._feed))

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Has them fetched once it is known what ended before, so that nothing is sent again."""
        for partition in partitions:
            self._barrier.begin(partition)
        self._recovery.assigned(partitions)

    async def held(self, partitions: Sequence[Partition]) -> None:
        """The duties that come with a partition, such as making lists, go on while it is held."""
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
        self._barrier.forget()
        self._admission.wake()
        await asyncio.gather(
            self._recovery.revoked(partitions),
            sent,
            self._chunks.revoked(partitions, deadline),
        )
        self._deduplication.close()
