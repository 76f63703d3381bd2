"""The receiver as a process: what must be in order before it starts, and how it ends."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.receiver.receiver import Receiver
from agents.receiver.settings import ReceiverSettings
from agents.receiver.writer import Writer
from streams import pages, topic_admin
from streams.answering import answering
from streams.door import PAGES, Door, Limits, descriptors_for, serving
from streams.engine.start import StartError
from streams.engine.vitals import keep_loop_lag
from streams.producing import patient
from streams.settings import KafkaSettings, WorkerSettings
from streams.states import keep_states
from streams.topics import MAX_MESSAGE_BYTES, RAW

_PAGES_PORT = 6065
_LIMIT = "max.message.bytes"
# What the key and Kafka's own frame need beside a message.
_FRAME_BYTES = 2048
_BATCH_BYTES = 512 * 1024
_ANSWER_SECONDS = 10.0
# For what Kafka does not take any more when all posts are answered.
_FLUSH_SECONDS = 2.0


async def run(settings: ReceiverSettings, kafka: KafkaSettings, worker: WorkerSettings) -> bool:
    """Runs until told to stop, and answers first what is under way.

    Returns whether it ended for that, and not because Kafka refused something for good. Raises
    StartError or UnansweredError when it must not start.
    """
    most = await _largest(kafka) - _FRAME_BYTES
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _producing(kafka, most) as producer:
        writer = Writer(producer, kafka.topic(RAW.name), settings.timeout_s)
        receiver = Receiver(settings, writer, most)

        def readiness() -> tuple[str, str | None]:
            if writer.is_away:
                return "kafka_away", "kafka_away: Kafka acknowledges nothing; look at the brokers"
            return "ready", None

        inside, outside = Door("pages", PAGES), Door("posts", limits(settings))
        pages_port = worker.port or _PAGES_PORT
        async with (
            serving(pages.app(readiness), inside, worker.host, pages_port, "WORKER_PORT"),
            serving(
                receiver.app(), outside, settings.host, settings.port, "RECEIVER_PORT"
            ) as posts,
            _keeping(keep_states(readiness), keep_loop_lag()),
        ):
            await _first(stop, writer.broken)
            posts.close()
            await receiver.drain(kafka.drain_s)
    return not writer.broken.is_set()


def limits(settings: ReceiverSettings) -> Limits:
    """What the port for posts grants, as far as the process may open so many."""
    return Limits(
        connections=descriptors_for(settings.connections),
        head_s=settings.head_timeout_s,
        # To arrive, to be acknowledged, and to be looked into and answered.
        request_s=2 * settings.timeout_s + _ANSWER_SECONDS,
    )


async def _largest(kafka: KafkaSettings) -> int:
    """How large a record the raw topic takes, as far as Kafka tells us."""
    name = kafka.topic(RAW.name)
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        async with answering(kafka):
            await admin.start()
            if name not in await topic_admin.existing(admin):
                if not kafka.create_topics:
                    raise StartError(f"Create the topic {name}, or set KAFKA_CREATE_TOPICS=true.")
                await topic_admin.create(admin, kafka, [RAW])
            asked = ConfigResource(ConfigResourceType.TOPIC, name, {_LIMIT: None})
            answers = await admin.describe_configs([asked])
    finally:
        await admin.close()
    # Nothing is told to who may not ask.
    told = [
        int(value)
        for answer in answers
        for *_, options in answer.resources
        for _, value, *_ in options
    ]
    return min([*told, MAX_MESSAGE_BYTES])


@contextlib.asynccontextmanager
async def _producing(kafka: KafkaSettings, most: int) -> AsyncIterator[AIOKafkaProducer]:
    producer = patient(
        AIOKafkaProducer(
            **kafka.client_options(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=min(_BATCH_BYTES, most),
            max_request_size=most + _FRAME_BYTES,
        )
    )
    try:
        async with answering(kafka):
            await producer.start()
        yield producer
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), _FLUSH_SECONDS)


@contextlib.asynccontextmanager
async def _keeping(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
