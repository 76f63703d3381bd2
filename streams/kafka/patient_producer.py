"""Makes producers wait for a Kafka that is away, for as long as it is."""

import asyncio
import math
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.kafka.metadata import paced
from streams.kafka.pending_writes import PENDING, PendingWrites
from streams.logs import Seldom

log = structlog.get_logger()

# Shared by all who wait for a topic, so that one of them logs it.
_seldom = Seldom()


def patient(producer: Any, pending: PendingWrites = PENDING) -> Any:
    """An aiokafka producer that gives up no batch.

    An idempotent one does not anyway, but for a partition that has no leader: there its batches
    expire, and what follows may be written without them (aiokafka 0.14, MessageAccumulator).
    """
    producer._message_accumulator._batch_ttl = math.inf  # noqa: SLF001 - guarded by a test
    paced(producer.client)
    pending.follow(producer)
    return producer


def known_count(producer: AIOKafkaProducer, topic: str) -> int:
    """Returns how many partitions a topic has as far as the client knows; 0 while it does not."""
    return len(producer.client.cluster.partitions_for_topic(topic) or ())


async def partition_count(
    producer: AIOKafkaProducer,
    topic: str,
    at_least: int = 1,
    *,
    pending: PendingWrites = PENDING,
    look_s: float = 1.0,
) -> int:
    """Returns how many partitions a topic has, once the brokers know of so many.

    They were there when the worker started. Brokers that come back from a long outage may not know
    of a topic for a while, and aiokafka calls that an unknown topic after 40 seconds. One that was
    deleted is waited for too, until somebody has made it again; /ready names it.
    """
    # Most ask for each write: the client's memory answers, and no task of its own is begun.
    if (count := known_count(producer, topic)) >= at_least:
        return count
    if (count := await _count(producer, topic)) >= at_least:
        return count
    with pending.waiting(topic, at_least - 1 if count else None, producer.client):
        while count < at_least:
            if _seldom.lets(topic):
                log.warning("topic_unknown", topic=topic, what_to_do="look at the brokers")
            await asyncio.sleep(look_s)
            count = await _count(producer, topic)
    return count


async def _count(producer: AIOKafkaProducer, topic: str) -> int:
    try:
        return len(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError:
        return 0
