"""A receiver in this process, on a real Kafka, that answers over HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from agents.receiver.producer_supervisor import FRAME_BYTES, ProducerSupervisor
from agents.receiver.receiver import Receiver
from agents.receiver.server import largest, limits
from agents.receiver.settings import ReceiverSettings
from agents.receiver.writer import Writer
from streams import metrics
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import RAW
from streams.worker.connection_limits import Door, serving

TOKEN = "invented-token-of-mparticle"
AUTHORIZED = {"Authorization": f"Token {TOKEN}"}


def held() -> float:
    """Bytes of posts that are under way, as a scrape is told."""
    told = metrics.REGISTRY.get_sample_value("mparticle_streams_receiver_in_flight_bytes")
    assert told is not None
    return told


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - what is asked has no event
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class SeenWriter(Writer):
    """Shows the producer that it has, for a test that stands between the two."""

    producer: AIOKafkaProducer

    def use(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        super().use(producer)


@dataclass(frozen=True)
class Served:
    """`most` is how many bytes a message may have."""

    url: str
    port: int
    writer: SeenWriter
    most: int

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None, path: str = "/"
    ) -> Answer:
        sent = AUTHORIZED if headers is None else headers
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}{path}", data=io.BytesIO(body), headers=sent) as response,
        ):
            return Answer(response.status, await response.read(), dict(response.headers))


@asynccontextmanager
async def served(kafka: KafkaSettings, **given: Any) -> AsyncIterator[Served]:
    settings = ReceiverSettings(**{"token": TOKEN, **given})
    most = await largest(kafka) - FRAME_BYTES
    writer = SeenWriter(kafka.topic(RAW.name), settings.timeout_s, most)
    door = Door("posts", limits(settings))
    async with (
        ProducerSupervisor(writer, lambda: kafka, WorkerSettings().stall_timeout_s) as supervisor,
        serving(Receiver(settings, writer).answer, door, "127.0.0.1", 0, "RECEIVER_PORT") as server,
    ):
        keeping = asyncio.create_task(supervisor.keep())
        try:
            port = server.sockets[0].getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}", port, writer, most)
        finally:
            keeping.cancel()
