"""What the writer gives a producer whose partitions do not all get their acknowledgements."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents.receiver.memory_budget import Claim, MemoryBudget
from agents.receiver.responses import KAFKA_AWAY, RefusedError
from agents.receiver.writer import Writer
from streams.kafka.batch_writer import partition_of
from tests.streams.delivery import simulated_time

USERS = {partition_of(str(user).encode(), 2): str(user).encode() for user in range(20)}
PATIENCE = 5.0


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


def test_while_something_is_late_in_a_partition_the_others_go_on() -> None:
    async def story() -> None:
        producer: Any = Producer()
        writer, room = Writer("mparticle-raw", PATIENCE, 1_000), MemoryBudget(2**30)
        writer.use(producer)

        async def write(key: bytes | None) -> float:
            """Returns how many seconds it took."""
            began = simulated_time.now()
            await writer.write(key, b"{}", Claim(room, 0))
            return simulated_time.now() - began

        for seconds in (PATIENCE, 0.0):
            began = simulated_time.now()
            with pytest.raises(RefusedError) as refused:
                await write(USERS[0])
            assert refused.value.args == RefusedError(KAFKA_AWAY).args
            assert simulated_time.now() - began == pytest.approx(seconds)
        assert dict(writer.late) == {0: 1}
        for key in (USERS[1], None, None, None):
            assert await write(key) < PATIENCE
        assert producer.written == [0, 1, 1, 1, 1]

        producer.acknowledges.set()
        await asyncio.sleep(0.1)
        assert not any(writer.late.values())
        assert await write(USERS[0]) < PATIENCE

    simulated_time.run(story())
