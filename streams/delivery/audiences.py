"""Follows the compacted topic `audiences`: what is known of each, whole at start and then live."""

import asyncio
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaConsumer
from pydantic import ValidationError

from models.audience import Audience
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES

log = structlog.get_logger()


class Audiences:
    """Tells `learn` of every audience; without a group, because every worker needs them all."""

    def __init__(self, kafka: KafkaSettings, learn: Callable[[Audience], None]) -> None:
        self._kafka = kafka
        self._learn = learn
        self._whole = asyncio.Event()

    async def whole(self) -> None:
        """Waits until all that was there at start has been told."""
        await self._whole.wait()

    async def run(self) -> None:
        """Follows until cancelled."""
        consumer = AIOKafkaConsumer(
            self._kafka.topic(AUDIENCES.name),
            **self._kafka.client_options(),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                if not self._whole.is_set() and all(
                    [await consumer.position(tp) >= end for tp, end in ends.items()]
                ):
                    self._whole.set()
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        self._tell(record.value)
        finally:
            await consumer.stop()

    def _tell(self, value: bytes | None) -> None:
        if value is None:
            return  # a tombstone: what is known does no harm
        try:
            audience: Audience = AUDIENCES.holds.validate_json(value)
        except ValidationError as error:
            # Written by somebody else. It is knowledge and no delivery: nothing is lost with it.
            log.warning("audience_unreadable", errors=error.error_count())
        else:
            self._learn(audience)
