"""Replay: a group's offsets go back, and what comes after them is delivered again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from streams.kafka import groups, log_bounds
from streams.kafka.clients import answering, reading
from streams.kafka.committed_offsets import read_committed
from streams.settings import KafkaSettings
from streams.topics import BY_USER, RAW

To: TypeAlias = Literal["earliest"] | int | datetime
"""The first record that Kafka has, an offset, or the first record that came at a time or later."""


class ReplayError(Exception):
    """No offset was moved; the message is one sentence that says what to do."""


class Place(NamedTuple):
    """A group's offset in a partition, Kafka's first there, and the one that is asked for.

    `wanted` is None where no record came at that time or later.
    """

    tp: TopicPartition
    committed: int
    first: int
    wanted: int | None


class Move(NamedTuple):
    """A move from the committed offset to another; `deleted` of the offsets wanted are gone."""

    tp: TopicPartition
    committed: int
    to: int
    deleted: int = 0

    @property
    def records(self) -> int:
        return self.committed - self.to


def plan(places: Iterable[Place]) -> Sequence[Move]:
    """Only ever back: what was not delivered yet is never passed over."""
    return [_move(place) for place in sorted(places)]


def _move(place: Place) -> Move:
    tp, committed, first, wanted = place
    if wanted is None or wanted >= committed:
        return Move(tp, committed, committed)
    to = min(committed, max(wanted, first))
    return Move(tp, committed, to, to - wanted)


class Group(NamedTuple):
    """A consumer group as it is now."""

    name: str
    live: bool
    moves: Sequence[Move]


async def look(
    kafka: KafkaSettings, group: str, to: To, topic: str | None, partitions: Sequence[int]
) -> Group:
    """Says what would be moved: all that the group has read, or of it only these.

    Raises ReplayError when there is nothing of the kind, UnansweredError when Kafka is away.
    """
    async with answering(kafka):
        every, live = await groups.look(kafka, group, (RAW, *BY_USER))
    async with reading(kafka, group) as consumer, answering(kafka):
        committed = await read_committed(consumer, every)
        if not committed:
            raise ReplayError(
                f"The group {group} has no offsets at {kafka.bootstrap_servers}: "
                "set KAFKA_PREFIX as the workers have it; a new group begins at "
                "KAFKA_INITIAL_OFFSET."
            )
        chosen = _chosen(committed, topic and kafka.topic(topic), partitions)
        if not chosen:
            raise ReplayError(
                f"The group {group} has read nothing of that: "
                f"it reads {', '.join(sorted({tp.topic for tp in committed}))}."
            )
        return Group(group, live, plan(await _places(consumer, chosen, to)))


def _chosen(
    committed: Mapping[TopicPartition, OffsetAndMetadata],
    topic: str | None,
    partitions: Sequence[int],
) -> Mapping[TopicPartition, int]:
    return {
        tp: at.offset
        for tp, at in committed.items()
        if topic in {None, tp.topic} and (not partitions or tp.partition in partitions)
    }


async def _places(
    consumer: AIOKafkaConsumer, committed: Mapping[TopicPartition, int], to: To
) -> Sequence[Place]:
    there = await log_bounds.learn(consumer, committed)
    first = {tp: each.first for tp, each in there.items()}
    wanted: dict[TopicPartition, int | None] = {}
    match to:
        case int():
            wanted = dict.fromkeys(committed, to)
        case datetime():
            found = await log_bounds.learn_at(consumer, committed, int(to.timestamp() * 1000))
            wanted = dict(found)
        case _:
            wanted = dict(first)
    return [Place(tp, at, first[tp], wanted[tp]) for tp, at in committed.items()]


async def move(kafka: KafkaSettings, group: Group) -> None:
    """Commits with empty metadata, which tells the worker that a person moved the offset.

    Raises ReplayError when the group has members: also Kafka refuses it then.
    """
    if group.live:
        raise ReplayError(groups.stop_first(group.name))
    offsets = {each.tp: OffsetAndMetadata(each.to, "") for each in group.moves if each.records}
    if not offsets:
        return
    async with reading(kafka, group.name) as consumer:
        consumer.assign(list(offsets))
        async with answering(kafka):
            try:
                await consumer.commit(offsets)
            except CommitFailedError as error:
                raise ReplayError(groups.stop_first(group.name)) from error
