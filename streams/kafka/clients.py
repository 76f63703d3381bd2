"""Commands do not wait for a Kafka that is away: they say so, and where they looked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, KafkaError

from streams.kafka.diagnosis import examine
from streams.settings import KafkaSettings

SECONDS = 5.0
"""How long a command waits for an answer: it fails within ten seconds, start included."""

# A fetch that waits at the end of one partition holds up what is read of the next.
_FETCH_WAIT_MS = 20


class UnansweredError(Exception):
    """Kafka is away or refuses; the message is one sentence that says what to do.

    `is_locked_out`: it is there, and does not let us in.
    """

    def __init__(self, said: str, *, is_locked_out: bool = False) -> None:
        super().__init__(said)
        self.is_locked_out = is_locked_out


async def unanswered(kafka: KafkaSettings) -> UnansweredError:
    """What to raise when Kafka did not answer; asks it once more for the reason."""
    found = await examine(kafka)
    return UnansweredError(found.said, is_locked_out=found.is_locked_out)


@asynccontextmanager
async def answering(kafka: KafkaSettings) -> AsyncIterator[None]:
    """Raises UnansweredError when what is asked inside is not answered in time, or refused."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except (TimeoutError, KafkaConnectionError) as error:
        raise await unanswered(kafka) from error
    except KafkaError as error:
        raise UnansweredError(
            f"Kafka at {kafka.bootstrap_servers} refuses: {type(error).__name__}; "
            "check KAFKA_SASL_… and what this user may do.",
            is_locked_out=True,
        ) from error


@asynccontextmanager
async def reading(
    kafka: KafkaSettings, group: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that joins no group, also where it may look at a group's offsets."""
    consumer = AIOKafkaConsumer(
        **kafka.consumer_options(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    try:
        async with answering(kafka):
            await consumer.start()
        # A task of aiokafka's has its first turn: cancelled before it, `stop` would raise that.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()
