"""A producer to a raw topic of which one partition has no leader."""

import asyncio
from types import SimpleNamespace
from typing import Any

from agents.receiver.memory_budget import Claim, MemoryBudget
from agents.receiver.writer import Writer
from streams.kafka.batch_writer import partition_of

USERS = {partition_of(str(user).encode(), 2): str(user).encode() for user in range(20)}


class Producer:
    """Two partitions, of which the first acknowledges nothing until it is told to."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(cluster=self)
        self.written: list[int] = []
        self.acknowledges = asyncio.Event()

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0, 1}

    def create_batch(self) -> Any:
        return SimpleNamespace(append=lambda **_: object(), close=lambda: None)

    async def send_batch(self, _builder: object, _topic: str, *, partition: int) -> Any:
        self.written.append(partition)
        return asyncio.create_task(self._acknowledged(partition))

    async def _acknowledged(self, partition: int) -> None:
        if not partition:
            await self.acknowledges.wait()


async def posted(writer: Writer, key: bytes | None) -> None:
    await writer.write(key, b"{}", Claim(MemoryBudget(2**30), 0))
