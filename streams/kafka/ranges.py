"""Reads ranges of partitions, as far as these went when they were asked for; joins no group."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams import clocks
from streams.kafka import log_bounds, topic_admin
from streams.kafka.buffered_records import fetch
from streams.kafka.clients import (
    SECONDS,
    UnansweredError,
    admin,
    answering,
    reading,
    unanswered,
)
from streams.kafka.unavailable import UNAVAILABLE
from streams.kafka.unreadable import AGAIN_SECONDS, PassingOver, unreadable
from streams.settings import KafkaSettings
from streams.topics import Topic

_POLL_S = 0.2
_OF_THE_PAST = "read back what has ended", "what ended there is not remembered"
# What is there comes at once, unless a leader is away or slow.
_SILENT_SECONDS = 1.0
_POSITION_SECONDS = 1.0
# The most records of one poll; others get a turn of the event loop after it.
_MAX_POLL_RECORDS = 1_000


class Range(NamedTuple):
    """A range of a partition's offsets: from `start` to before `end`."""

    tp: TopicPartition
    start: int
    end: int


async def read(
    kafka: KafkaSettings,
    consumer: AIOKafkaConsumer,
    ranges: Iterable[Range],
    *,
    silence_s: float = math.inf,
    passes_over: bool = False,
) -> AsyncIterator[tuple[TopicPartition, Sequence[ConsumerRecord]]]:
    """Yields some records of a partition at a time, in their order; of each partition one range.

    Raises UnansweredError where nothing comes for `silence_s`; otherwise it waits while Kafka is
    away, and /ready names the partitions. The consumer is assigned what it reads, and nothing else.
    Raises UnreadableError of what cannot be unpacked or may not be read; with `passes_over` it is
    logged and passed over, and a refusal waited out.
    """
    left = {each.tp: each for each in ranges if each.start < each.end}
    # Assigned anew it would forget what it has fetched, and ask its group for offsets.
    if left and left.keys() != consumer.assignment():
        consumer.assign(list(left))
    for tp, each in left.items():
        consumer.seek(tp, each.start)
    answered = clocks.monotonic()
    over = PassingOver(*_OF_THE_PAST) if passes_over else None
    with UNAVAILABLE.naming() as unavailable:
        while left:
            some = await _poll(consumer, left, over)
            silent_s = clocks.monotonic() - answered
            if some:
                unavailable.clear()
            elif silent_s > silence_s:
                raise await unanswered(kafka)
            elif silent_s > _SILENT_SECONDS:
                await log_bounds.look(consumer, left.keys(), unavailable)
            for tp, records in some.items():
                if within := [record for record in records if record.offset < left[tp].end]:
                    yield tp, within
            if some:
                answered = clocks.monotonic()
            # The position moves over compacted records and transaction marks too.
            left = {
                tp: each
                for tp, each in left.items()
                if not await has_come_to(consumer, tp, each.end)
            }


async def has_come_to(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> bool:
    """Returns whether a consumer has read what stands before an offset.

    Not while it looks for a position, which aiokafka does for as long as there is no leader.
    """
    try:
        async with asyncio.timeout(_POSITION_SECONDS):
            return bool(await consumer.position(tp) >= offset)
    except TimeoutError:
        return False


async def _poll(
    consumer: AIOKafkaConsumer, left: Mapping[TopicPartition, Range], over: PassingOver | None
) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
    """Returns some records of some partitions; raises what keeps it from it without `over`."""
    fetched = await fetch(consumer, left, _POLL_S, most=_MAX_POLL_RECORDS)
    if fetched.errors and over is None:
        raise unreadable(fetched)
    if over is not None and fetched.errors:
        ends = {tp: each.end for tp, each in left.items()}
        if over.pass_over(consumer, fetched, ends):
            await asyncio.sleep(AGAIN_SECONDS)
    return fetched.records


async def whole(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], *, patience_s: float = math.inf
) -> Sequence[Range]:
    """All that Kafka has now of these partitions, which must be there; waits as `learn` does."""
    every = list(tps)
    there = await log_bounds.learn(consumer, every, patience_s=patience_s)
    return [of_bounds(tp, there[tp]) for tp in every]


def of_bounds(tp: TopicPartition, there: log_bounds.Bounds) -> Range:
    """All that can be read of a partition."""
    return Range(tp, there.first, there.readable)


class Reader:
    """Knows of every topic how many `partitions` it has, and the id of the `cluster`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        consumer: AIOKafkaConsumer,
        cluster: str,
        partitions: Mapping[str, int],
    ) -> None:
        self.kafka = kafka
        self.cluster = cluster
        self.partitions = partitions
        self._consumer = consumer

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        """Raises UnansweredError when Kafka is away."""
        cluster, partitions = await _look(kafka)
        async with reading(kafka) as consumer:
            yield cls(kafka, consumer, cluster, partitions)

    def count(self, topic: Topic) -> int:
        """Returns its number of partitions; raises UnansweredError where there is no such topic."""
        name = self.kafka.topic(topic.name)
        if name not in self.partitions:
            raise UnansweredError(
                f"There is no topic {name} at {self.kafka.bootstrap_servers}: "
                "set KAFKA_PREFIX as the workers have it."
            )
        return self.partitions[name]

    def every(self, topic: Topic) -> list[TopicPartition]:
        """Its partitions, by their numbers; raises as `count`."""
        name = self.kafka.topic(topic.name)
        return [TopicPartition(name, number) for number in range(self.count(topic))]

    async def there(self, tps: Iterable[TopicPartition]) -> Sequence[Range]:
        """All that Kafka has now of these partitions, which must be there."""
        async with answering(self.kafka):
            return await whole(self._consumer, tps)

    async def since(self, ranges: Sequence[Range], at_ms: int) -> Sequence[Range]:
        """Returns of each range what begins with the first record of that time or later."""
        at = await self._at(ranges, at_ms)
        return [each._replace(start=max(each.start, at[each.tp])) for each in ranges]

    async def before(self, ranges: Sequence[Range], at_ms: int) -> Sequence[Range]:
        """Returns of each range what ends before the first record of that time or later."""
        at = await self._at(ranges, at_ms)
        return [each._replace(end=at[each.tp]) for each in ranges]

    async def records(self, each: Range) -> AsyncIterator[ConsumerRecord]:
        """Yields them in order; raises UnansweredError when Kafka falls silent."""
        async for _, records in read(self.kafka, self._consumer, [each], silence_s=SECONDS):
            for record in records:
                yield record

    async def _at(self, ranges: Sequence[Range], at_ms: int) -> Mapping[TopicPartition, int]:
        asked = [each.tp for each in ranges]
        async with answering(self.kafka):
            found = await log_bounds.learn_at(self._consumer, asked, at_ms)
        return {
            each.tp: each.end if (at := found[each.tp]) is None else min(each.end, at)
            for each in ranges
        }


async def _look(kafka: KafkaSettings) -> tuple[str, Mapping[str, int]]:
    async with answering(kafka), admin(kafka) as client:
        return (await client.describe_cluster())["cluster_id"], await topic_admin.existing(client)
