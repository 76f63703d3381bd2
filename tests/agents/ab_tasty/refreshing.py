"""A worker that sends rows again, on a Kafka and a simulated AB Tasty; days pass when told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition

from agents.ab_tasty.refresh import DAY_MS, RefreshPolicy
from agents.ab_tasty.refresh_progress import read_done
from agents.ab_tasty.topics import AB_TASTY_MEMBERS, REFRESH_GROUP
from streams.delivery.policy import DeliveryPolicy
from streams.engine.partition import Partition
from streams.kafka import clients, ranges
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import udc
from tests.agents.ab_tasty.flowing import Traced, flowing, log
from tests.agents.ab_tasty.simulated import TOKEN_PATH, Clock
from tests.streams.delivery.flow import AT_ONCE, Flow

OFTEN = RefreshPolicy(look_s=0.02)

PEOPLE = [str(number) for number in range(1, 31)]


class Days(Clock):
    """One clock for AB Tasty and the worker."""

    def pass_by(self, days: float) -> None:
        self.now += days * DAY_MS / 1000

    @property
    def today(self) -> int:
        return int(self.now * 1000) // DAY_MS


class Worker:
    """One worker with one partition, from some offset on."""

    def __init__(self, to: KafkaSettings, flow: Flow, sink: Traced, partition: Partition) -> None:
        self._to = to
        self.flow = flow
        self.sink = sink
        self.partition = partition

    async def accept(self, *changes: Any) -> None:
        start = self.partition.offsets.position
        await self.flow.accept(self.partition, log(changes, start, self.partition.tp.partition))

    async def day_is_done(self) -> None:
        """Waits until all that is due today has been sent again."""
        refreshing = self.sink.refresh
        assert refreshing is not None
        async with asyncio.timeout(60):
            while not refreshing.is_done(self.partition):  # noqa: ASYNC110 - a day has no event
                await asyncio.sleep(0.01)

    async def notes_that_nothing_is_kept(self) -> None:
        """Waits until it is kept in Kafka that leaves pass unseen."""
        at = TopicPartition(self._to.topic(AB_TASTY_MEMBERS.name), self.partition.tp.partition)
        group = self._to.group(REFRESH_GROUP)
        async with (
            asyncio.timeout(60),
            clients.range_consumer(self._to, group_id=group) as consumer,
        ):
            consumer.assign([at])
            while not (await read_done(consumer, at)).since:  # noqa: ASYNC110 - Kafka tells of no commit
                await asyncio.sleep(0.01)


@asynccontextmanager
async def working(
    to: KafkaSettings,
    url: str,
    days: Days,
    start: int = 0,
    *,
    number: int = 0,
    policy: RefreshPolicy = OFTEN,
    delivery: DeliveryPolicy = AT_ONCE,
    **options: Any,
) -> AsyncIterator[Worker]:
    given = udc(base_url=url, token_url=url + TOKEN_PATH, **options)
    sink = Traced(given, to, days, policy)
    async with flowing(sink, delivery) as flow:
        partition = await flow.assign(start, number=number, topic=AUDIENCE_MEMBERSHIP)
        yield Worker(to, flow, sink, partition)
        await flow.revoke(partition)


def members_of(service: Any, value: str = "true") -> list[str]:
    held = service.state()["segments"]
    return sorted((v for v, segments in held.items() if value in segments.values()), key=int)


async def kept(to: KafkaSettings) -> dict[str, bool]:
    """Whether each key of the members' topic stands there as joined."""
    at = TopicPartition(to.topic(AB_TASTY_MEMBERS.name), 0)
    found: dict[str, bool] = {}
    async with clients.range_consumer(to) as consumer:
        async for _, records in ranges.read(to, consumer, await ranges.whole(consumer, [at])):
            found |= {record.key.decode(): record.value is not None for record in records}
    return found
