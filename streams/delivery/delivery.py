"""Takes a sink's records from chunk to end: queue, fold, send, judge."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from models.record import Record
from streams import headers, metrics
from streams.dead_letters import FloodGuard
from streams.delivery.endpoint import Endpoint
from streams.delivery.ends import Ends, Refused, invalid_record, mapping_error, now_ms
from streams.delivery.history import History
from streams.delivery.horizon import Horizon
from streams.delivery.lane import Item, Source, WaitingLane
from streams.delivery.outcomes import Blocked, Delivered, Dropped, Outcome, Rejected, RetryLater
from streams.delivery.pacing import Pacer
from streams.delivery.sink import Lane, Placement, Sink
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition

log = structlog.get_logger()

# No request needs more: AB Tasty's batches are the largest, and their size is a setting.
_MOST_RECORDS = 10_000
# How long one user may fail while others pass.
_PATIENCE_SECONDS = 15 * 60.0
_YIELD_EVERY = 100


class Delivery:
    """One destination's records under way; the engine's processor for a sink."""

    def __init__(
        self,
        sink: Sink[Any],
        holds: Mapping[str, TypeAdapter[Any]],
        ends: Ends,
        history: History,
        horizon: Horizon,
        connections: int,
        max_rejected_share: float,
    ) -> None:
        """`holds` are the models of the topics, by their names on the cluster."""
        # Two, because records are admitted far ahead of those that are being sent.
        self._admissions = FloodGuard(max_rejected_share)
        self._answers = FloodGuard(max_rejected_share)
        self._sink = sink
        self._holds = holds
        self._ends = ends
        self._history = history
        self._horizon = horizon
        self._lanes: dict[Lane, WaitingLane] = {}
        self.pacer = Pacer(sink.ceilings)
        self.blocked: Blocked | None = None
        self.held = False
        slots = asyncio.Semaphore(connections)
        self._endpoints = {
            name: Endpoint(limit, slots, self._send) for name, limit in self.pacer.limits.items()
        }

    async def run(self) -> None:
        """Sends until cancelled; raises when something of ours is broken."""
        async with self._sink.session(self.pacer), asyncio.TaskGroup() as tasks:
            for endpoint in self._endpoints.values():
                tasks.create_task(endpoint.run())

    # -- the engine's side

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Learns what has ended before, so that nothing of it is sent again."""
        async for source in self._history.read(partitions):
            if (identity := headers.identity(source.headers)) is not None:
                self._horizon.ended(identity)
            if headers.kind(source.headers) in self._sink.recalls:
                record = self._holds[source.topic].validate_json(source.value or b"")
                self._sink.recall(record, _placement(record, source))

    async def accept(self, chunk: Chunk) -> None:
        """Queues a chunk's records; what can never be sent becomes a dead letter here."""
        refused: list[Refused] = []
        for count, source in enumerate(chunk.records, 1):
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if chunk.partition.closed or self.held:
                break
            if (letter := self._admit(chunk.partition, source)) is not None:
                refused.append(letter)
            self._hold(self._admissions.count(letter[1].reason if letter else None))
        if not chunk.partition.closed:
            await self._ends.rejected(refused)

    async def revoked(self, partitions: Iterable[Partition], deadline: float) -> None:  # noqa: ARG002 - all lanes close: a rebalance revokes everything
        """Sends nothing new; waits for what is in flight, `deadline` seconds."""
        for lane in self._lanes.values():
            lane.closed = True
        under_way = set[asyncio.Task[None]]()
        for endpoint in self._endpoints.values():
            under_way |= endpoint.close()
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=deadline)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._lanes.clear()
        self._horizon.close()

    # -- from source to lane

    def _admit(self, partition: Partition, source: Source) -> Refused | None:
        identity = headers.identity(source.headers)
        if identity is not None and self._repeats(identity, partition, source):
            return None
        item = Item(source, partition, now_ms(), identity=identity)
        if identity is not None:
            self._horizon.started(identity, item)
        placed = self._place(item)
        match placed:
            case Rejected():
                return item, placed
            case Dropped():
                self._ends.dropped(item, placed.reason)
            case Lane():
                self._queue(placed, item)
        return None

    def _repeats(self, identity: bytes, partition: Partition, source: Source) -> bool:
        if self._horizon.has_ended(identity):
            partition.ended(source.offset)
        elif (original := self._horizon.under_way(identity)) is not None:
            original.repeats.append((partition, source.offset))
        else:
            return False
        metrics.DEDUPLICATED.labels(topic=source.topic).inc()
        return True

    def _place(self, item: Item) -> Lane | Dropped | Rejected:
        source = item.source
        try:
            item.record = self._holds[source.topic].validate_json(source.value or b"")
        except ValidationError as error:
            return invalid_record(error)
        assert item.record is not None
        try:
            return self._sink.place(item.record, _placement(item.record, source), item.first_at_ms)
        except Exception as error:  # noqa: BLE001 - see mapping_error
            return mapping_error(error)

    def _queue(self, key: Lane, item: Item) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = WaitingLane(key)
            self._endpoints[key.endpoint].ready(lane)
        lane.append(item)

    # -- from lane to outcome

    async def _send(self, lane: WaitingLane) -> None:
        waiting = lane.head(_MOST_RECORDS)
        try:
            batch = self._sink.take(lane.lane, waiting)
        except Exception as error:  # noqa: BLE001 - see mapping_error; halving finds the record
            await self._judge(lane, len(waiting), mapping_error(error))
            return
        lane.tried(batch.size)
        labels = {"destination": self._sink.destination, "endpoint": lane.lane.endpoint}
        metrics.RECORDS_PER_REQUEST.labels(**labels).observe(batch.size)
        with metrics.REQUEST_SECONDS.labels(**labels).time():
            outcome = await self._sink.send(batch.request)
        metrics.REQUESTS.labels(**labels, outcome=_NAMES[type(outcome)]).inc()
        await self._judge(lane, batch.size, outcome)

    async def _judge(self, lane: WaitingLane, size: int, outcome: Outcome) -> None:
        endpoint = self._endpoints[lane.lane.endpoint]
        if not isinstance(outcome, Blocked):
            self._unblock()
        match outcome:
            case Delivered():
                endpoint.passed()
                self._ends.delivered(lane.passed(size))
                for _ in range(size):
                    self._answers.count(None)
            case Rejected():
                endpoint.passed()
                await self._refuse(lane, size, outcome)
            case RetryLater(endpoint=True):
                endpoint.limit.close_for(outcome.after or 1.0)
            case RetryLater():
                endpoint.failed()
                if lane.failed(counts=not endpoint.down) < _PATIENCE_SECONDS:
                    if not lane.closed:
                        endpoint.ready_later(lane, outcome.after)
                    return
                await self._refuse(lane, size, Rejected("retries_exhausted", outcome.reason))
            case Blocked():
                self._block(outcome)
        if lane.closed:
            return
        if lane:
            endpoint.ready(lane)
        else:
            del self._lanes[lane.lane]

    async def _refuse(self, lane: WaitingLane, size: int, why: Rejected) -> None:
        if (item := lane.refused(size)) is not None:
            await self._ends.rejected([(item, why)])
            self._hold(self._answers.count(why.reason))

    # -- when a person is needed

    def _block(self, why: Blocked) -> None:
        if self.blocked == why:
            return
        self.blocked = why
        log.error("blocked", reason=why.reason, what_to_do=why.what_to_do)
        metrics.BLOCKED.labels(destination=self._sink.destination, reason=why.reason).set(1)
        for endpoint in self._endpoints.values():
            endpoint.blocked = True

    def _hold(self, why: Blocked | None) -> None:
        """Sends nothing more, for as long as this process lives."""
        if why is None or self.held:
            return
        self._block(why)
        self.held = True
        for endpoint in self._endpoints.values():
            endpoint.held = True

    def _unblock(self) -> None:
        why = self.blocked
        if why is None or self.held:
            return
        self.blocked = None
        log.info("unblocked", reason=why.reason)
        metrics.BLOCKED.labels(destination=self._sink.destination, reason=why.reason).set(0)
        for endpoint in self._endpoints.values():
            endpoint.blocked = False


_NAMES = {
    Delivered: "delivered",
    Rejected: "rejected",
    RetryLater: "retry_later",
    Blocked: "blocked",
}


def _placement(record: Record, source: Source) -> Placement:
    # Our own records are keyed by user; a foreign one without a key stands for itself.
    user = source.key.decode(errors="replace") if source.key else record.mpid or record.id
    return Placement(user, source.partition)
