"""A destination's processor: takes its records from chunk to end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from pydantic import ValidationError

from models.audience_membership import MembershipChanged
from streams import headers
from streams.dead_letters import FloodGuard
from streams.delivery.admission import Admission
from streams.delivery.audiences import Audiences
from streams.delivery.dispatch import Dispatch
from streams.delivery.ends import Ends
from streams.delivery.feed import Feed
from streams.delivery.history import History
from streams.delivery.horizon import Horizon
from streams.delivery.lane import Source
from streams.delivery.outcomes import Blocked
from streams.delivery.precedence import Precedence
from streams.delivery.sink import Sink, placement
from streams.delivery.staleness import Staleness
from streams.engine.chunks import Chunk
from streams.engine.lanes import ChunkLanes
from streams.engine.partition import Partition
from streams.topics import Topic

_MEMBERSHIP = b"membership_changed"


class Delivery:
    """Joins admission, dispatch and the memory of what has ended; the engine's processor."""

    def __init__(
        self,
        sink: Sink[Any],
        topics: Mapping[str, Topic],
        ends: Ends,
        history: History,
        horizon: Horizon,
        staleness: Staleness,
        audiences: Audiences,
        precedence: Precedence | None,
        connections: int,
        max_rejected_share: float,
        may_send: Callable[[], bool],
    ) -> None:
        """`topics` by their names on the cluster."""
        self._sink = sink
        self._topics = topics
        self._history = history
        self._horizon = horizon
        self._staleness = staleness
        self._audiences = audiences
        self._precedence = precedence
        # Two guards, because records are admitted far ahead of those that are being answered.
        answers, admissions = FloodGuard(max_rejected_share), FloodGuard(max_rejected_share)
        self._dispatch = Dispatch(sink, ends, precedence, connections, answers, may_send)
        self._feed = Feed(self._dispatch)
        self._chunks = ChunkLanes(
            Admission(
                sink, topics, ends, horizon, staleness, precedence, self._dispatch, admissions
            ).admit
        )

    @property
    def blocked(self) -> Blocked | None:
        return self._dispatch.blocked

    @property
    def waits_on_purpose(self) -> bool:
        return self._dispatch.waits_on_purpose

    async def run(self) -> None:
        """Works until cancelled; raises when something of ours is broken."""
        async with AsyncExitStack() as stack:
            if self._precedence is not None:
                await stack.enter_async_context(self._precedence.session())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._audiences.run())
            tasks.create_task(self._chunks.run())
            tasks.create_task(self._dispatch.run())
            tasks.create_task(self._sink.repeat(self._feed))

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Learns what has ended before, so that nothing of it is sent again."""
        await self._audiences.whole()
        async for source in self._history.read(partitions):
            if (identity := headers.identity(source.headers)) is not None:
                self._horizon.ended(identity)
            kind = headers.kind(source.headers)
            if kind == _MEMBERSHIP or kind in self._sink.recalls:
                self._recall(source)
        for partition in partitions:
            if self._precedence is not None and partition.tp.topic == self._precedence.updates:
                self._precedence.started(partition.tp.partition, partition.offsets.position)
        self._chunks.assigned(partitions)
        self._feed.partitions = tuple(partitions)

    def _recall(self, source: Source) -> None:
        try:
            record = self._topics[source.topic].holds.validate_json(source.value or b"")
        except ValidationError:
            return  # it ended as a dead letter, and says nothing now either
        at = placement(record, source.key, source.partition)
        if isinstance(record, MembershipChanged):
            self._staleness.is_stale(record, at.user, headers.epoch(source.headers))
        if headers.kind(source.headers) in self._sink.recalls:
            self._sink.recall(record, at)

    async def accept(self, chunk: Chunk) -> None:
        """Takes a chunk; never waits, for that would hold back the other partitions."""
        self._chunks.accept(chunk)

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        """Sends nothing new; waits for what is in flight, `deadline` seconds.

        All of it: every rebalance revokes everything.
        """
        self._feed.partitions = ()
        if self._precedence is not None:
            self._precedence.close()  # first: nobody is to wait for updates any more
        await asyncio.gather(
            self._dispatch.close(deadline), self._chunks.revoked(partitions, deadline)
        )
        self._horizon.close()
