"""Writes raw messages as mParticle's Kafka output does: keyed by the mParticle user id."""

from collections.abc import Callable, Iterable
from itertools import islice

from sandbox.mparticle import Message
from streams.kafka import clients
from streams.settings import KafkaSettings
from streams.topics import RAW

_SLICE = 500


async def publish(
    kafka: KafkaSettings,
    messages: Iterable[Message],
    written: Callable[[int], None] = lambda _count: None,
) -> int:
    """Returns how many there were; `written` is told the number so far."""
    async with clients.producer(kafka, max_batch_size=512 * 1024) as producer:
        count = 0
        remaining = iter(messages)
        while part := list(islice(remaining, _SLICE)):
            sent = [
                await producer.send(kafka.topic(RAW.name), each.value, key=each.key)
                for each in part
            ]
            for future in sent:
                await future
            count += len(part)
            written(count)
        return count
