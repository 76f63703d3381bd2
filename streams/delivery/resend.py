"""Sends records of a sink's own, through the same lanes as those that come from Kafka."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from faust.types import TP

from models.record import Record
from streams import clocks
from streams.delivery.lane import Item, Source
from streams.delivery.policy import ResendPolicy
from streams.delivery.sending.endpoints import Endpoints
from streams.delivery.sink import LaneKey
from streams.engine.partition import InFlightLimit, Partition
from streams.engine.refusals import Refusals
from streams.kafka.commit_metadata import Progress

# Enough for two full requests of any destination: what is ahead of others in a lane holds them up.
_LIMIT = InFlightLimit(records=2_000)


class LaneFeed:
    """The partitions that this worker has now."""

    def __init__(
        self,
        endpoints: Endpoints,
        may_send: Callable[[], bool],
        refusals: Refusals,
        policy: ResendPolicy,
    ) -> None:
        """`may_send` says whether this worker surely still is a member of its group."""
        self._endpoints = endpoints
        self._may_send = may_send
        self._refusals = refusals
        self._policy = policy
        self.partitions: Sequence[Partition] = ()
        self.held: Sequence[Partition] = ()
        """Partitions that are assigned and not fetched for now."""

    def record_refusal(self, task: str, error: Exception) -> None:
        """Has /ready say that Kafka does not let this worker do `task`, until it is granted."""
        self._refusals.record_refusal(task, error)

    def clear_refusal(self, task: str) -> None:
        self._refusals.clear(task)

    def repeat(self, partition: Partition, topic: str) -> "LaneRepeat":
        """Begins to send records of a topic of the sink's own, on behalf of a partition."""
        return LaneRepeat(self._endpoints, partition, topic, self._may_send, self._policy)


class LaneRepeat:
    """Records sent again for one partition: a few at a time, and none once it is gone."""

    def __init__(
        self,
        endpoints: Endpoints,
        partition: Partition,
        topic: str,
        may_send: Callable[[], bool],
        policy: ResendPolicy,
    ) -> None:
        self._endpoints = endpoints
        self._policy = policy
        self._partition = partition
        self._may_send = may_send
        self._moved = asyncio.Event()
        self._under_way = Partition(
            TP(topic, partition.tp.partition), Progress(0), _LIMIT, lambda _: self._moved.set()
        )

    @property
    def is_gone(self) -> bool:
        return self._partition.closed

    @property
    def may_send(self) -> bool:
        """Returns whether the partition surely still is this worker's; also after it was frozen."""
        return not self.is_gone and self._may_send()

    async def wait_until_settled(self, end: int) -> bool:
        """Waits until all before `end`, and all that was fetched by now, has ended.

        False if the partition is gone, or that takes too long.
        """
        end = max(end, self._partition.offsets.position)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._policy.settled_s):
                while not self.is_gone and self._partition.offsets.watermark < end:  # noqa: ASYNC110 - offsets have no event
                    await asyncio.sleep(self._policy.look_s)
                return not self.is_gone
        return False

    async def wait_for_room(self) -> bool:
        """Waits until one more may be queued; False if the partition is gone."""
        return await self._until(lambda: not self._under_way.is_full)

    def queue(self, lane: LaneKey, source: Source, record: Record) -> None:
        """Puts a record behind what waits in its lane; offsets of `source` must grow."""
        self._under_way.track([(source.offset, len(source.value or b""))])
        self._endpoints.queue(lane, Item(source, self._under_way, clocks.wall_ms(), record=record))

    async def _until(self, reached: Callable[[], bool]) -> bool:
        while not self.is_gone and not reached():
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._policy.look_s):
                    await self._moved.wait()
        return not self.is_gone

    async def wait_until_ended(self) -> bool:
        """Waits until all that was queued has ended; False if the partition is gone."""
        return await self._until(lambda: not self._under_way.offsets.waiting)
