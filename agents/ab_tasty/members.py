"""Who is in which audience at AB Tasty, kept in a compacted topic."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from agents.ab_tasty.post import Member
from streams.kafka.producing import partition_count, patient
from streams.settings import KafkaSettings
from streams.topics import AB_TASTY_MEMBERS


class Members:
    """Writes what AB Tasty took: a joined member with its time, one who left as a tombstone.

    Partition i is written only by the worker that has partition i of `audience-membership`, before
    the records end that say so.
    """

    def __init__(self, kafka: KafkaSettings | None) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        if self._kafka is None:
            yield
            return
        options = {"acks": "all", "enable_idempotence": True, "max_batch_size": 256 * 1024}
        producer = patient(AIOKafkaProducer(**self._kafka.client_options(), **options))
        async with producer as self._producer:
            yield

    async def write(self, partition: int, members: Sequence[Member], now_ms: int) -> None:
        """Returns when Kafka has them; of each member the last change stands."""
        if self._kafka is None or self._producer is None or not members:
            return
        topic = self._kafka.topic(AB_TASTY_MEMBERS.name)
        await partition_count(self._producer, topic)
        joined = b"%d" % now_ms
        latest = {each.key: each.joined for each in members}
        sent = []
        batch = self._producer.create_batch()
        for key, is_joined in latest.items():
            value = joined if is_joined else None
            while not batch.append(key=key, value=value, timestamp=now_ms):
                sent.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
        batch.close()
        sent.append(await self._producer.send_batch(batch, topic, partition=partition))
        for each in sent:
            await each
