"""What /ready of a receiver tells of partitions of which Kafka takes nothing."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from agents.receiver.server import beware
from agents.receiver.settings import ReceiverSettings
from agents.receiver.writer import Writer
from streams.kafka.pending_writes import PendingWrites
from streams.topics import RAW
from streams.worker import pages
from tests.agents.receiver.unled import USERS, Producer, posted
from tests.streams.leaders import Cluster

LATE = 6.0


async def ready(settings: ReceiverSettings, pending: PendingWrites) -> tuple[int, Any]:
    page = pages.app(lambda: ("ready", None), lambda: None, lambda: beware(settings, pending))
    async with TestClient(TestServer(page)) as client:
        answer = await client.get("/ready")
        return answer.status, await answer.json()


async def test_a_partition_without_a_leader_is_named_while_the_receiver_stays_ready() -> None:
    """Half of all posts were answered 503 for hours, and the page knew of nothing."""
    settings = ReceiverSettings(token="invented-token-of-mparticle")
    clock = [0.0]
    pending = PendingWrites(lambda: clock[0])
    producer: Any = Producer()
    producer.client, producer.send = Cluster({0: None, 1: 1}), producer.send_batch
    pending.follow(producer)
    writer = Writer(RAW.name, 60.0, 1_000)
    writer.use(producer)
    said = [await ready(settings, pending)]
    waits = asyncio.create_task(posted(writer, USERS[0]))
    await posted(writer, USERS[1])
    clock[0] += LATE
    said.append(await ready(settings, pending))
    producer.acknowledges.set()
    await waits
    said.append(await ready(settings, pending))

    fine = {"ready": True, "why_not": None}
    named = (
        "Kafka has taken nothing of mparticle-raw-0 for 6 s: it has no leader; look at the brokers "
        "that hold it"
    )
    assert said == [(200, fine), (200, {**fine, "beware": named}), (200, fine)]


async def test_what_is_set_and_what_waits_are_both_told() -> None:
    settings = ReceiverSettings(authentication="none")
    clock = [0.0]
    pending = PendingWrites(lambda: clock[0])
    pending.begin(RAW.name, 0, Cluster({0: None}))
    clock[0] += LATE
    _, body = await ready(settings, pending)

    assert "whoever reaches RECEIVER_PORT" in body["beware"]
    assert "mparticle-raw-0" in body["beware"]
