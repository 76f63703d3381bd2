"""Asks where a topic's partitions end now."""

from contextlib import AsyncExitStack
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka import clients, log_bounds
from streams.settings import KafkaSettings


class LogEnd:
    """Asks Kafka, over a connection of its own: the worker's consumer is busy with fetches."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        """`topic` by its name on the cluster."""
        self._kafka = kafka
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._consumer = await self._stack.enter_async_context(clients.consumer(self._kafka))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def of(self, partition: int) -> int:
        """The offset after the partition's last record; waits while Kafka does not say."""
        assert self._consumer is not None, "use it inside `async with`"
        at = TopicPartition(self._topic, partition)
        return (await log_bounds.learn_readable(self._consumer, [at]))[at]
