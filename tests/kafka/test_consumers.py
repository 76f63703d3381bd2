"""Our consumers end when they are told to, whatever aiokafka is at."""

import asyncio

import pytest

from sandbox.kafka import Kafka
from streams.kafka.consumers import Consumer
from streams.topics import EVENTS
from tests.streams.cluster import create, settings


@pytest.mark.kafka
async def test_told_to_stop_while_a_rebalance_ends_its_fetches_it_stops(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [EVENTS])
    consumer = Consumer(cluster.topic(EVENTS.name), **cluster.consumer_options())
    await consumer.start()
    ending, end = asyncio.Event(), asyncio.Event()

    async def fetch() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await end.wait()

    fetching = asyncio.create_task(fetch())
    await asyncio.sleep(0)
    consumer._fetcher._pending_tasks.add(fetching)
    consumer.unsubscribe()
    await ending.wait()
    stopping = asyncio.create_task(consumer.stop())
    ended, _ = await asyncio.wait({stopping}, timeout=60)
    assert ended, "aiokafka took the end of its fetches for its own"
