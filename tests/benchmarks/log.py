"""Kafka's side of a benchmark: topics, what is written to them when, and where a group begins."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from agents.registry import all_topics
from cli.demo.lag import Lag
from sandbox.kafka import Kafka
from streams.kafka import batch_writer, clients, topic_admin
from streams.kafka.batch_writer import Outgoing
from streams.kafka.commit_metadata import Progress, encode
from streams.settings import KafkaSettings
from streams.topics import MAX_MESSAGE_BYTES, RAW, Topic
from tests.streams import cluster

_FETCH_MS = 5_000
_AT_ONCE = 5_000
_KNOWN_SECONDS = 60.0
_STAMPED = {True: "CreateTime", False: "LogAppendTime"}


class Log(AbstractAsyncContextManager["Log"]):
    """The topics below one prefix, which Kafka stamps with the time at which it took a record."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka = kafka
        self._stack = AsyncExitStack()

    @classmethod
    def on(cls, broker: Kafka, *, partitions: int) -> "Log":
        """Topics that no other benchmark has."""
        prefix = f"benchmark-{uuid4().hex[:8]}-"
        return cls(cluster.settings(broker, prefix, partitions=partitions))

    async def __aenter__(self) -> Self:
        self._admin = await self._stack.enter_async_context(clients.admin(self.kafka))
        self._consumer = await self._stack.enter_async_context(clients.consumer(self.kafka))
        await self._admin.create_topics(
            [
                NewTopic(
                    name=self.kafka.topic(topic.name),
                    num_partitions=self.kafka.topic_partitions,
                    replication_factor=1,
                    topic_configs={
                        "max.message.bytes": str(MAX_MESSAGE_BYTES),
                        "cleanup.policy": "compact" if topic.compacted else "delete",
                        "message.timestamp.type": _STAMPED[topic is RAW],
                    },
                )
                for topic in all_topics()
            ]
        )
        self.lag = Lag(self.kafka, self._admin, self._consumer)
        names = [self.kafka.topic(topic.name) for topic in all_topics()]
        async with asyncio.timeout(_KNOWN_SECONDS):
            await topic_admin.wait_until_known(self._admin, names)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def partitions(self, which: Iterable[Topic]) -> list[TopicPartition]:
        return [
            TopicPartition(self.kafka.topic(topic.name), number)
            for topic in which
            for number in range(self.kafka.topic_partitions)
        ]

    async def ends(self, which: Iterable[Topic]) -> dict[TopicPartition, int]:
        return dict(await self._consumer.end_offsets(self.partitions(which)))

    async def last_written(self, which: Iterable[Topic]) -> float:
        """When Kafka took the latest record of these topics, in unix seconds."""
        last = {tp: end - 1 for tp, end in (await self.ends(which)).items() if end}
        self._consumer.assign(list(last))
        for tp, offset in last.items():
            self._consumer.seek(tp, offset)
        times: list[float] = []
        while last:
            fetched = await self._consumer.getmany(*last, timeout_ms=_FETCH_MS)
            for tp, records in fetched.items():
                times.append(records[-1].timestamp / 1000)
                del last[tp]
        return max(times)

    async def begin(self, worker: str, at: Mapping[TopicPartition, int]) -> None:
        """Has a worker's group begin at these offsets, as if it had committed them itself."""
        cluster_id = (await self._admin.describe_cluster())["cluster_id"]
        offsets = {
            (tp.topic, tp.partition): (offset, encode(Progress(offset), cluster_id))
            for tp, offset in at.items()
        }
        await cluster.commit(self.kafka, self.kafka.group(worker), offsets)

    async def fill(
        self, topic: Topic, partition: int, entries: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Writes millions of keys and values, which have all happened at once."""
        now_ms = int(time.time() * 1000)
        async with cluster.producing(self.kafka) as producer:

            async def send() -> None:
                batch.close()
                name = self.kafka.topic(topic.name)
                sent.append(await producer.send_batch(batch, name, partition=partition))

            sent: list[asyncio.Future[object]] = []
            batch = producer.create_batch()
            for key, value in entries:
                while not batch.append(timestamp=now_ms, key=key, value=value):
                    await send()
                    batch = producer.create_batch()
            await send()
            await asyncio.gather(*sent)

    async def write(self, records: Iterable[Outgoing]) -> None:
        """Writes records of ours as the router does, a few thousand at a time."""
        remaining = iter(records)
        async with cluster.producing(self.kafka) as producer:
            while part := list(islice(remaining, _AT_ONCE)):
                await batch_writer.write(producer, part)
