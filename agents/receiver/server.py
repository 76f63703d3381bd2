"""The receiver as a process: what must be in order before it starts, and how it ends."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.receiver.producer_supervisor import FRAME_BYTES, ProducerSupervisor
from agents.receiver.receiver import Receiver
from agents.receiver.settings import ReceiverSettings
from agents.receiver.writer import Writer
from streams.engine.gauges import keep_loop_lag
from streams.engine.startup import StartError
from streams.kafka import clients, topic_admin
from streams.kafka.granted_rights import look, too_little
from streams.kafka.pending_writes import PENDING, PendingWrites
from streams.kafka.rights import RECEIVER
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import MAX_MESSAGE_BYTES, RAW
from streams.worker import pages
from streams.worker.connection_limits import PAGES, Door, Limits, descriptors_for, serving
from streams.worker.readiness_log import keep_states

log = structlog.get_logger()

_PAGES_PORT = 6065
_LIMIT = "max.message.bytes"
_OPEN = (
    "RECEIVER_AUTHENTICATION=none: whoever reaches RECEIVER_PORT writes to mparticle-raw; let only "
    "mParticle through to it"
)
_ANSWER_SECONDS = 10.0


async def run(settings: ReceiverSettings, kafka: KafkaSettings, worker: WorkerSettings) -> bool:
    """Runs until told to stop, and answers first what is under way.

    Returns whether it ended for that, and not because nothing can be written any more. Raises
    StartError or UnansweredError when it must not start.
    """
    most = await largest(kafka) - FRAME_BYTES
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    writer = Writer(kafka.topic(RAW.name), settings.timeout_s, most)
    async with ProducerSupervisor(writer, _kafka, worker.stall_timeout_s) as supervisor:
        receiver = Receiver(settings, writer)
        if not settings.tokens:
            log.warning("authentication_disabled", detail=_OPEN)

        def readiness() -> tuple[str, str | None]:
            return _readiness(writer, supervisor)

        inside, outside = Door("pages", PAGES), Door("posts", limits(settings))
        page = pages.app(readiness, lambda: supervisor.dead, lambda: beware(settings, PENDING))
        async with (
            serving(page, inside, worker.host, worker.port or _PAGES_PORT, "WORKER_PORT"),
            serving(
                receiver.answer, outside, settings.host, settings.port, "RECEIVER_PORT"
            ) as posts,
            _keeping(keep_states(readiness), keep_loop_lag(), supervisor.keep()),
        ):
            await _first(stop, supervisor.ended)
            posts.close()
            await receiver.drain(worker.shutdown_timeout_s)
    return supervisor.dead is None


def _kafka() -> KafkaSettings:
    return KafkaSettings.load().called("receiver")


def _readiness(writer: Writer, supervisor: ProducerSupervisor) -> tuple[str, str | None]:
    """The state, one of `metrics.READY_STATES`, and unless it is ready what to know about it."""
    if supervisor.away is not None:
        state = "authentication_failed" if supervisor.is_locked_out else "kafka_unreachable"
        return state, f"{state}: {supervisor.away}"
    if writer.is_away:
        return (
            "kafka_unreachable",
            "kafka_unreachable: Kafka acknowledges nothing; look at the brokers",
        )
    if writer.refusal is not None:
        return "blocked", f"kafka_write_refused: {writer.refusal}"
    return "ready", None


def beware(settings: ReceiverSettings, pending: PendingWrites) -> str | None:
    """What to know of a receiver, also of one that is ready; None where there is nothing.

    A partition that Kafka takes nothing of is named, and leaves the receiver ready: the posts of
    its users are answered 503, which no other receiver could do better, and all others are taken.
    """
    said = [None if settings.tokens else _OPEN, pending.said]
    return "; ".join(filter(None, said)) or None


def limits(settings: ReceiverSettings) -> Limits:
    """Returns what the port for posts grants, as far as the process may open so many."""
    return Limits(
        connections=descriptors_for(settings.max_connections),
        head_s=settings.header_timeout_s,
        # To arrive, to be acknowledged, and to be looked into and answered.
        request_s=2 * settings.timeout_s + _ANSWER_SECONDS,
    )


async def largest(kafka: KafkaSettings) -> int:
    """Returns how large a record the raw topic takes, as far as Kafka tells us."""
    name = kafka.topic(RAW.name)
    async with clients.answering(kafka), clients.admin(kafka) as admin:
        found = await look(admin, [name])
        if lacks := found.lacks(RECEIVER.on(kafka)):
            raise StartError(too_little(lacks, "receiver"))
        if name not in found.partitions:
            if not kafka.create_topics:
                raise StartError(f"Create the topic {name}, or set KAFKA_CREATE_TOPICS=true.")
            await topic_admin.create(admin, kafka, [RAW])
        asked = ConfigResource(ConfigResourceType.TOPIC, name, {_LIMIT: None})
        answers = await admin.describe_configs([asked])
    # Nothing is told to who may not ask; the receiver then learns from what Kafka refuses.
    told = [
        int(value)
        for answer in answers
        for *_, options in answer.resources
        for _, value, *_ in options
    ]
    return min([*told, MAX_MESSAGE_BYTES]) if told else kafka.max_message_bytes


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
