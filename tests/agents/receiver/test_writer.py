"""What the writer gives a producer whose partitions do not all get their acknowledgements."""

import asyncio
from typing import Any

import pytest

from agents.receiver.responses import KAFKA_AWAY, RefusedError
from agents.receiver.writer import Writer
from tests.agents.receiver.unled import USERS, Producer, posted
from tests.streams.delivery import simulated_time

PATIENCE = 5.0


def test_kafka_is_not_away_while_another_partition_acknowledges() -> None:
    """The page called it that, by turns, and a balancer took a receiver out that took the rest."""

    async def story() -> list[bool]:
        producer: Any = Producer()
        writer, said = Writer("mparticle-raw", PATIENCE, 1_000), list[bool]()
        writer.use(producer)
        async with asyncio.TaskGroup() as posts:
            for _ in range(3 * int(PATIENCE)):
                posts.create_task(_refused(writer))
                await posted(writer, USERS[1])
                await asyncio.sleep(1)
                said.append(writer.is_away)
        await _refused(writer)
        producer.acknowledges.set()
        return said

    async def _refused(writer: Writer) -> None:
        with pytest.raises(RefusedError):
            await posted(writer, USERS[0])

    assert not any(simulated_time.run(story()))


def test_while_something_is_late_in_a_partition_the_others_go_on() -> None:
    async def story() -> None:
        producer: Any = Producer()
        writer = Writer("mparticle-raw", PATIENCE, 1_000)
        writer.use(producer)

        async def write(key: bytes | None) -> float:
            """Returns how many seconds it took."""
            began = simulated_time.now()
            await posted(writer, key)
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
