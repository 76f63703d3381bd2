"""Where a topic's partitions end now."""

from types import TracebackType
from typing import Self

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.settings import KafkaSettings


class LogEnd:
    """Asks Kafka, over a connection of its own: the consumer's is busy with fetches."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(**self._kafka.consumer_options())
        try:
            await self._consumer.start()
        except BaseException:  # a cancelled start has opened connections
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def of(self, partition: int) -> int:
        """The offset after the partition's last record; waits while Kafka is away."""
        assert self._consumer is not None, "use it inside `async with`"
        at = TopicPartition(self._topic, partition)
        async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=None):
            with attempt:
                ends = await self._consumer.end_offsets([at])
        return int(ends[at])
