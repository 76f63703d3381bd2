"""The router's work on chunks: map, write the updates, write the rest, end."""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer

from agents.router.drift import Drift
from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from models.dead_letter import DeadLetter
from models.record import RawPosition, serialize
from streams import headers, metrics
from streams.dead_letters import DeadLetters, FloodGuard
from streams.delivery.outcomes import Blocked
from streams.engine import batches
from streams.engine.batches import Outgoing
from streams.engine.chunks import Chunk
from streams.engine.lanes import ChunkLanes
from streams.engine.partition import Partition
from streams.settings import KafkaSettings
from streams.topics import EVENTS, PRIVACY_REQUESTS, USER_UPDATE

log = structlog.get_logger()

# How many messages are mapped before others get a turn of the event loop.
_SLICE = 50
_HELD_SECONDS = 0.2


class Router:
    """The engine's processor for raw messages: one chunk of each partition at a time."""

    def __init__(
        self,
        settings: RouterSettings,
        kafka: KafkaSettings,
        producer: AIOKafkaProducer,
        dead_letters: DeadLetters,
        guard: FloodGuard,
    ) -> None:
        self.blocked: Blocked | None = None
        self._settings = settings
        self._kafka = kafka
        self._producer = producer
        self._dead_letters = dead_letters
        self._guard = guard
        self._drift = Drift()
        self._chunks = ChunkLanes(self._route)
        # From nought, or the alert misses the first.
        metrics.RECORDS_ROUTED.labels(topic=PRIVACY_REQUESTS.name, kind="data_subject_request")

    @property
    def waits_on_purpose(self) -> bool:
        return self.blocked is not None

    async def run(self) -> None:
        await self._chunks.run()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        self._chunks.assigned(partitions)

    async def accept(self, chunk: Chunk) -> None:
        self._chunks.accept(chunk)

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        """Lets each partition end its chunk, and start no other."""
        await self._chunks.revoked(partitions, deadline)

    async def _route(self, chunk: Chunk) -> None:
        partition = chunk.partition
        updates: list[Outgoing] = []
        others: list[Outgoing] = []
        letters: list[DeadLetter] = []
        accounted = 0
        for count, source in enumerate(chunk.records):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
                if partition.closed:
                    return
            at = RawPosition(
                topic=source.topic, partition=source.partition, offset=source.offset, index=0
            )
            routed = route(source.value or b"", at, source.timestamp, self._settings, source.key)
            for out in routed.outs:
                record = self._outgoing(out, partition.epoch, source.timestamp)
                (updates if out.topic is USER_UPDATE else others).append(record)
            for reason in routed.dropped:
                metrics.RECORDS_DROPPED.labels(stage="router", reason=reason).inc()
            self._drift.count(routed.strangers)
            letters += routed.dead_letters
            accounted += bool(routed.outs or routed.dropped or routed.dead_letters)
            self._count(routed.dead_letters[0].reason if routed.dead_letters else None)
        # What is written after the updates may count on them: see "updates first" in the docs.
        await batches.write(self._producer, updates)
        await batches.write(self._producer, others)
        await self._dead_letters.write(letters)
        partition.accounted += accounted
        for source in chunk.records:
            partition.ended(source.offset)
        while self.blocked is not None and not partition.closed:  # noqa: ASYNC110 - it ends with the partition
            await asyncio.sleep(_HELD_SECONDS)

    def _outgoing(self, out: Out, epoch: int, timestamp_ms: int) -> Outgoing:
        kind = out.record.kind
        metrics.RECORDS_ROUTED.labels(
            topic=out.topic.name, kind="event" if out.topic is EVENTS else kind
        ).inc()
        return Outgoing(
            self._kafka.topic(out.topic.name),
            out.key,
            serialize(out.record),
            timestamp_ms,
            headers.make(out.record.id, kind, epoch),
        )

    def _count(self, rejected: str | None) -> None:
        flood = self._guard.count(rejected)
        if flood is not None and self.blocked is None:
            self.blocked = flood
            log.error("blocked", reason=flood.reason, what_to_do=flood.what_to_do)
            metrics.BLOCKED.labels(destination="", reason=flood.reason).set(1)
