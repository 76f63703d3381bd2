"""Producers that wait for a Kafka that is away, for as long as it is."""

import asyncio
import math
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.logs import Seldom

log = structlog.get_logger()

_LOOK_AGAIN_SECONDS = 1.0
# Of all who wait for a topic.
_seldom = Seldom()


def patient(producer: Any) -> Any:
    """An aiokafka producer that gives up no batch.

    An idempotent one does not anyway, but for a partition that has no leader: there its batches
    expire, and what follows may be written without them (aiokafka 0.14, MessageAccumulator).
    """
    producer._message_accumulator._batch_ttl = math.inf  # noqa: SLF001 - guarded by a test
    return producer


async def partition_count(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions a topic has, once the brokers know.

    It was there when the worker started. Brokers that come back from a long outage may not know of
    it for a while, and aiokafka calls that an unknown topic after 40 seconds. One that was deleted
    is waited for too, until the watchdog has had enough; the next start says that it is missing.
    """
    while True:
        try:
            return len(await producer.partitions_for(topic))
        except UnknownTopicOrPartitionError:
            if _seldom.lets(topic):
                log.warning("topic_unknown", topic=topic, what_to_do="look at the brokers")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
