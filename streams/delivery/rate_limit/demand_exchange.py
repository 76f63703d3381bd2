"""Tells a destination's other workers what this one wants of the rate limits, and hears them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.rate_demand import EndpointDemand, RateDemand
from streams import clocks
from streams.delivery.rate_limit.allocation import Shares
from streams.delivery.rate_limit.limiter import RateLimit
from streams.kafka import clients, ranges
from streams.settings import KafkaSettings
from streams.topics import RATE_LIMITS

log = structlog.get_logger()

LOOK_SECONDS = 0.25
_BEAT_SECONDS = 1.0
# A demand that has ceased is forgotten within seconds, and not between two requests.
_DECAY = 0.8
_MORE_THAN_USED = 1.25
# One order holds only within a partition.
_PARTITION = 0
# More than all workers say in the beats after which one is gone.
_LAST_RECORDS = 2_000
_AGAIN_SECONDS = 5.0
_FAREWELL_SECONDS = 1.0


class Limited(Protocol):
    """An endpoint with a limit, and how many requests wait for nothing but a permit."""

    @property
    def limit(self) -> RateLimit: ...

    @property
    def wanting(self) -> int: ...


class _Want:
    """Estimates what this worker would use of one limit, from what it used and what waits."""

    def __init__(self) -> None:
        self._used: deque[tuple[float, int]] = deque(maxlen=round(_BEAT_SECONDS / LOOK_SECONDS) + 1)
        self._part = 0.0
        self.told = 0.0

    def look(self, endpoint: Limited, now: float) -> float:
        self._used.append((now, endpoint.limit.used))
        since, before = self._used[0]
        rate = (endpoint.limit.used - before) / max(now - since, LOOK_SECONDS)
        a_minute = 60 * (rate * _MORE_THAN_USED + endpoint.wanting / _BEAT_SECONDS)
        part = a_minute / (endpoint.limit.allowed or a_minute or 1.0)
        self._part = min(1.0, max(part, self._part * _DECAY))
        return self._part

    def has_changed(self) -> bool:
        return abs(self._part - self.told) > max(0.1, self.told / 2)


class Demand:
    """This worker's demand, announced each second, and at once when it changes much."""

    def __init__(self, endpoints: Mapping[str, Limited], clock: Callable[[], float]) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._wants = {name: _Want() for name in endpoints}
        self._beat = 0
        self._beat_at = float("-inf")

    def due(self) -> RateDemand | None:
        """Returns the demand to announce now, or None; to be asked every `LOOK_SECONDS`."""
        now = self._clock()
        said = {
            name: EndpointDemand(
                wanted=round(self._wants[name].look(endpoint, now), 3), used=endpoint.limit.used
            )
            for name, endpoint in self._endpoints.items()
        }
        beats = now - self._beat_at >= _BEAT_SECONDS
        if beats or any(want.has_changed() for want in self._wants.values()):
            return RateDemand(beat=self._beat + beats, endpoints=said)
        return None

    def record_written(self, demand: RateDemand) -> None:
        """Notes what has reached the others; only that may make another worker seem silent."""
        if demand.beat > self._beat:
            self._beat, self._beat_at = demand.beat, self._clock()
        for name, each in demand.endpoints.items():
            self._wants[name].told = each.wanted


class DemandExchange:
    """This worker among those of its destination."""

    def __init__(
        self, kafka: KafkaSettings, destination: str, part_of_partitions: Callable[[], float]
    ) -> None:
        self._kafka = kafka
        self._topic = kafka.topic(RATE_LIMITS.name)
        self._destination = destination
        # Not the name of the replica: two that were given one name still use the limits twice.
        me = uuid4().hex
        self._key = f"{destination}/{me}".encode()
        self._next: int | None = None
        self.shares = Shares(me, part_of_partitions)

    async def run(self, endpoints: Mapping[str, Limited]) -> None:
        """Tells and hears until cancelled; returns when there is no limit to share."""
        limited = {name: each for name, each in endpoints.items() if each.limit.allowed is not None}
        demand = Demand(limited, clocks.monotonic)
        while limited:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._hear())
                    tasks.create_task(self._tell(demand))
            except* KafkaError as errors:
                # Delivery goes on: with the last shares, and then by the partitions.
                names = sorted({type(error).__name__ for error in errors.exceptions})
                log.warning("rate_limits_not_shared", topic=self._topic, errors=names)
            # Before Python 3.13 a group that fails as it is cancelled tells of its failure alone.
            if (me := asyncio.current_task()) is not None and me.cancelling():
                raise asyncio.CancelledError
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _tell(self, demand: Demand) -> None:
        async with self._producer() as producer:
            while True:
                if (due := demand.due()) is not None:
                    await self._write(producer, due.model_dump_json().encode())
                    demand.record_written(due)
                await asyncio.sleep(LOOK_SECONDS)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """Says farewell at the end, if Kafka takes it soon."""
        async with clients.producer(
            self._kafka, acks=1, enable_idempotence=False, request_timeout_ms=5_000
        ) as producer:
            try:
                yield producer
            finally:
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await self._write(producer, None)

    async def _write(self, producer: AIOKafkaProducer, value: bytes | None) -> None:
        await producer.send_and_wait(self._topic, value, key=self._key, partition=_PARTITION)

    async def _hear(self) -> None:
        at = TopicPartition(self._topic, _PARTITION)
        async with clients.consumer(self._kafka) as consumer:
            consumer.assign([at])
            if self._next is None:
                [there] = await ranges.whole(consumer, [at], patience_s=_AGAIN_SECONDS)
                self._next = max(there.start, there.end - _LAST_RECORDS)
            consumer.seek(at, self._next)
            async for record in consumer:
                self._next = record.offset + 1
                self._take(record)

    def _take(self, record: ConsumerRecord) -> None:
        destination, _, worker = (record.key or b"").decode(errors="replace").partition("/")
        if destination != self._destination:
            return
        try:
            demand = None if record.value is None else RateDemand.model_validate_json(record.value)
        except ValidationError as error:
            log.warning("rate_demand_unreadable", offset=record.offset, errors=error.error_count())
        else:
            self.shares.record_demand(worker, demand)
