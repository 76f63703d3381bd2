"""Follows a compacted topic: all that is in it at start, then each record that is written."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from streams.settings import KafkaSettings
from streams.topics import Topic

log = structlog.get_logger()

Tell = Callable[[ConsumerRecord], None]


def known(topic: Topic, record: ConsumerRecord) -> Any:
    """What a record of this topic says; None where it says nothing.

    That is a tombstone, or was written by somebody else: it is no delivery, and nothing is lost.
    """
    if record.value is None:
        return None
    try:
        return topic.holds.validate_json(record.value)
    except ValidationError as error:
        log.warning(
            "record_unreadable",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            errors=error.error_count(),
        )
        return None


class Followed:
    """Tells of every record, without a group: every worker needs them all."""

    def __init__(self, kafka: KafkaSettings, topic: Topic, tell: Tell) -> None:
        self._kafka = kafka
        self._topic = topic
        self._tell = tell
        self._whole = asyncio.Event()
        self._next: dict[int, int] = {}
        self._moved = asyncio.Event()

    async def whole(self) -> None:
        """Waits until all that was there at start has been told."""
        await self._whole.wait()

    async def told(self, partition: int, offset: int) -> None:
        """Waits until the record at this place has been told."""
        while self._next.get(partition, 0) <= offset:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> None:
        """Follows until cancelled."""
        consumer = AIOKafkaConsumer(
            self._kafka.topic(self._topic.name),
            **self._kafka.consumer_options(),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()  # may be cancelled
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                if not self._whole.is_set() and all(
                    [await consumer.position(tp) >= end for tp, end in ends.items()]
                ):
                    self._whole.set()
                for tp, records in (await consumer.getmany(timeout_ms=1_000)).items():
                    for record in records:
                        self._tell(record)
                    self._next[tp.partition] = records[-1].offset + 1
                self._moved.set()
        finally:
            await consumer.stop()
