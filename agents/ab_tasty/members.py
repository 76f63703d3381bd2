"""Keeps in a compacted topic who is in which audience at AB Tasty."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.ab_tasty.calls import Member
from agents.ab_tasty.day_slices import joined_value
from agents.ab_tasty.topics import AB_TASTY_MEMBERS
from streams.kafka import clients
from streams.kafka.patient_producer import partition_count
from streams.settings import KafkaSettings


class Members:
    """Writes what AB Tasty took: a joined member with its time, one who left as a tombstone.

    A joined member stands in the partition that the change came from. Who left may stand in any:
    where partitions were added, users have moved. So a leave goes to all of them.
    """

    def __init__(self, kafka: KafkaSettings | None, identity: str) -> None:
        """`identity` is the setting: of another's visitors no leave would come."""
        self._kafka = kafka
        self._identity = identity
        self._producer: AIOKafkaProducer | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        if self._kafka is None:
            yield
            return
        async with clients.producer(
            self._kafka, waits=True, max_batch_size=256 * 1024
        ) as self._producer:
            yield

    async def write(self, partition: int, members: Sequence[Member], now_ms: int) -> None:
        """Returns when Kafka has them; of each member the last change stands."""
        if self._kafka is None or self._producer is None or not members:
            return
        topic = self._kafka.topic(AB_TASTY_MEMBERS.name)
        count = await partition_count(self._producer, topic, partition + 1)
        joined = joined_value(now_ms, self._identity)
        latest = {each.key: joined if each.joined else None for each in members}
        left = [(key, value) for key, value in latest.items() if value is None]
        sent = []
        for at in range(count):
            words = latest.items() if at == partition else left
            sent += [
                await self._producer.send_batch(batch, topic, partition=at)
                for batch in _batches(self._producer, words, now_ms)
            ]
        for each in sent:
            await each


def _batches(
    producer: AIOKafkaProducer, words: Iterable[tuple[bytes, bytes | None]], now_ms: int
) -> Iterator[BatchBuilder]:
    batch = None
    for key, value in words:
        if batch is None or not batch.append(key=key, value=value, timestamp=now_ms):
            if batch is not None:
                batch.close()
                yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    if batch is not None:
        batch.close()
        yield batch
