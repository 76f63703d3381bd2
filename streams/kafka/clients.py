"""Makes every client of Kafka, stops it in any case, and says so when Kafka does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from streams.kafka.consumers import Consumer
from streams.kafka.diagnosis import examine
from streams.kafka.metadata import paced
from streams.kafka.patient_producer import patient
from streams.settings import KafkaSettings
from streams.topics import MAX_REQUEST_BYTES

SECONDS = 5.0
"""The wait of a command for an answer, in seconds: it fails within ten, start included."""

# A fetch that waits at the end of one partition holds up what is read of the next.
_FETCH_WAIT_MS = 20
# A command asks where its topics are some times in a row, and is not held up.
_QUESTIONS = 8
# Liveness is the heartbeat. This interval between polls never reaches the broker, and a worker that
# waits longer than it for its destination would leave its group and never come back.
NEVER_MS = 10 * 365 * 24 * 3600 * 1000


class UnansweredError(Exception):
    """Kafka is away or refuses; the message is one sentence that says what to do.

    `is_locked_out`: it is there, and does not let us in.
    """

    def __init__(self, said: str, *, is_locked_out: bool = False) -> None:
        super().__init__(said)
        self.is_locked_out = is_locked_out


async def unanswered(kafka: KafkaSettings) -> UnansweredError:
    """Returns what to raise when Kafka did not answer; asks it once more for the reason."""
    found = await examine(kafka)
    return UnansweredError(found.said, is_locked_out=found.is_locked_out)


@asynccontextmanager
async def answering(kafka: KafkaSettings, seconds: float = SECONDS) -> AsyncIterator[None]:
    """Raises UnansweredError when what is asked inside is not answered in time, or refused."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, KafkaConnectionError, NodeNotReadyError) as error:
        raise await unanswered(kafka) from error
    except KafkaError as error:
        raise UnansweredError(
            f"Kafka at {kafka.bootstrap_servers} refuses: {type(error).__name__}; "
            "check KAFKA_SASL_… and what this user may do.",
            is_locked_out=True,
        ) from error


@asynccontextmanager
async def admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Asks about topics and groups, and creates topics."""
    client = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await client.start()
        yield client
    finally:
        await client.close()


def new_consumer(kafka: KafkaSettings, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """One that is not started: whoever starts it has to stop it, also where the start fails.

    It commits nothing by itself. `topics` are names on the cluster.
    """
    options = {**kafka.consumer_options(), "enable_auto_commit": False, **options}
    client = Consumer(*topics, **options)
    paced(client._client, _QUESTIONS)  # noqa: SLF001 - guarded by a test
    return client


@asynccontextmanager
async def consumer(
    kafka: KafkaSettings, *topics: str, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """One that begins at a topic's beginning, unless told otherwise, and commits nothing."""
    client = new_consumer(kafka, *topics, **{"auto_offset_reset": "earliest", **options})
    try:
        await client.start()
        yield client
    finally:
        await client.stop()  # a start that failed or was cancelled has opened connections


@asynccontextmanager
async def range_consumer(kafka: KafkaSettings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """One for `ranges.read`; it joins no group, also where it may look at a group's offsets."""
    async with consumer(kafka, fetch_max_wait_ms=_FETCH_WAIT_MS, **options) as client:
        yield client


@asynccontextmanager
async def reading(
    kafka: KafkaSettings, group: str | None = None, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """The same for a command, which does not wait for a Kafka that is away: UnansweredError."""
    async with AsyncExitStack() as stack:
        async with answering(kafka):
            client = await stack.enter_async_context(
                range_consumer(kafka, group_id=group, **options)
            )
        yield client


def new_producer(kafka: KafkaSettings, *, waits: bool = False, **options: Any) -> AIOKafkaProducer:
    """One that is not started; what it writes is in all replicas in sync, and once.

    With `waits` it gives up nothing for as long as Kafka is away.
    """
    defaults = {"acks": "all", "enable_idempotence": True, "max_request_size": MAX_REQUEST_BYTES}
    client = AIOKafkaProducer(**{**kafka.client_options(), **defaults, **options})
    if waits:
        return patient(client)
    paced(client.client, _QUESTIONS)
    return client


@asynccontextmanager
async def producer(
    kafka: KafkaSettings, *, waits: bool = False, **options: Any
) -> AsyncIterator[AIOKafkaProducer]:
    """The same, started."""
    client = new_producer(kafka, waits=waits, **options)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()
