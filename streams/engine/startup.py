"""Checks what must be in order before a worker starts, and settles where a group begins."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    InvalidCommitOffsetSizeError,
    KafkaError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.structs import OffsetAndMetadata

from streams import clocks, topics
from streams.engine.forgotten_offsets import begun, forgotten
from streams.engine.refusals import sentence
from streams.kafka import clients, log_bounds, topic_admin, topic_settings
from streams.kafka.commit_metadata import Progress, Sight, decode, encode
from streams.kafka.committed_offsets import read_committed
from streams.kafka.granted_rights import Granted, lacking_on_groups, look, too_little
from streams.kafka.rights import Right, Rights
from streams.settings import KafkaSettings
from streams.topics import Topic

_POLL_SECONDS = 0.1
# For the metadata to come, and for a leader to be elected.
_LEADER_LOOKS = 80
# Brokers that come back do not know all topics at once.
_TOPIC_LOOKS = 20
# Refusals to read or commit offsets, where Kafka itself is there.
_REFUSALS = (
    GroupAuthorizationFailedError,
    InvalidCommitOffsetSizeError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)


class StartError(Exception):
    """The worker must not start; the message is one sentence that says what to do."""


async def prepare(
    kafka: KafkaSettings,
    group: str,
    reads: Sequence[Topic],
    *,
    needed: Rights | None = None,
    component: str = "",
    begin: bool = True,
    patience_s: float = 10.0,
) -> str:
    """Checks Kafka, topics and rights, begins a group that is new; returns the cluster's id.

    It asks about the topics of what is `needed` by the component of that name; without it, about
    all that belong to no destination.
    Without `begin` it only looks. Kafka has `patience_s` seconds to answer. Raises StartError when
    the worker must not start.
    """
    wanted = topics.ALL if needed is None else tuple(dict.fromkeys((*needed.topics, *reads)))
    try:
        async with clients.answering(kafka, patience_s):
            granted = list(needed.on(kafka)) if needed else []
            cluster, partitions = await _check_topics(kafka, wanted, granted, component)
            names = [kafka.topic(topic.name) for topic in reads]
            every = [TopicPartition(n, i) for n in names for i in range(partitions[n])]
            await _begin_group(kafka, group, every, cluster, begin=begin)
            return cluster
    except clients.UnansweredError as error:
        raise StartError(str(error)) from error


async def _check_topics(
    kafka: KafkaSettings, topics: Sequence[Topic], needed: Sequence[Right], component: str
) -> tuple[str, Mapping[str, int]]:
    async with clients.admin(kafka) as admin:
        wanted = {kafka.topic(topic.name): topic for topic in topics}
        found = await look(admin, list(wanted))
        for _ in range(0 if kafka.create_topics else _TOPIC_LOOKS):
            if not _missing(found, wanted):
                break
            await asyncio.sleep(_POLL_SECONDS)
            found = await look(admin, list(wanted))
        if lacks := [*found.lacks(needed), *await lacking_on_groups(admin, needed)]:
            raise StartError(too_little(lacks, component))
        missing = _missing(found, wanted)
        if missing and not kafka.create_topics:
            raise StartError(
                f"Create these topics, or set KAFKA_CREATE_TOPICS=true: {', '.join(missing)}."
            )
        if missing:
            await _create(admin, kafka, [wanted[name] for name in missing])
            # A broker learns of them a moment later.
            while _missing(found := await look(admin, list(wanted)), wanted):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_POLL_SECONDS)
        together = [kafka.topic(topic.name) for topic in topics if topic.together]
        if (why := unequal({name: found.partitions[name] for name in together})) is not None:
            raise StartError(f"{why}.")
        as_set = await topic_settings.look(admin, kafka, topics)
        if faults := [fault for topic in as_set for fault in topic.faults()]:
            raise StartError(f"Set the topics right: {'; '.join(faults)}.")
        return found.cluster, found.partitions


def unequal(counts: Mapping[str, int]) -> str | None:
    """Returns what to do where topics that belong together do not have as many partitions each."""
    if len(set(counts.values())) <= 1:
        return None
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"Give these topics equal partition counts, order needs it: {said}"


def _missing(found: Granted, wanted: Iterable[str]) -> list[str]:
    return sorted(set(wanted) - found.partitions.keys() - found.hidden)


async def _create(
    admin: AIOKafkaAdminClient, kafka: KafkaSettings, missing: Iterable[Topic]
) -> None:
    try:
        await topic_admin.create(admin, kafka, missing)
    except KafkaError as error:
        raise StartError(
            f"Kafka does not create the topics ({type(error).__name__}): create them yourself, or "
            "set KAFKA_TOPIC_PARTITIONS and KAFKA_TOPIC_REPLICATION_FACTOR to what the cluster "
            "allows."
        ) from error


async def _begin_group(
    kafka: KafkaSettings, group: str, partitions: list[TopicPartition], cluster: str, *, begin: bool
) -> None:
    """Commits where a group begins that has no offsets: once, for all partitions and workers.

    Where Kafka forgot those of a topic or of a partition, it is a first start of these. Unless it
    is to `begin` it commits nothing, and only says when the group cannot begin.
    """
    if not partitions:
        return
    try:
        async with clients.consumer(kafka, group_id=group) as consumer:
            committed = await read_progress(consumer, partitions, cluster)
            partitions = forgotten(partitions, committed)
            if not partitions:
                return
            await _leaders(consumer, group, partitions)
            begins = await read_begins(consumer, partitions, kafka.initial_offset)
            if kafka.initial_offset is None:
                ends = await log_bounds.learn_readable(consumer, partitions)
                if full := [tp for tp in partitions if begins[tp] < ends[tp]]:
                    raise StartError(_where_to_begin(group, full if committed else ()))
            if not begin:
                return
            consumer.assign(partitions)
            # Another may have begun, worked and gone, while this one looked or its machine stood
            # still: what it has committed is not to be taken back.
            begun_by_others = await read_committed(consumer, partitions)
            starts = {
                tp: OffsetAndMetadata(start.offset, encode(start, cluster))
                for tp, start in _starts(begins, committed).items()
                if tp not in begun_by_others
            }
            if not starts:
                return
            # Refused where another worker has joined meanwhile: then it was it that began.
            with contextlib.suppress(CommitFailedError):
                await consumer.commit(starts)
    except _REFUSALS as error:
        raise StartError(f"{sentence('read and commit where it begins', error)}.") from error


def _starts(
    begins: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, Progress]
) -> Mapping[TopicPartition, Progress]:
    """Says beside each how many are begun with it: what is added later is told from these."""
    starts = {tp: Progress(offset) for tp, offset in begins.items()}
    counts = begun({**committed, **starts})
    return {tp: replace(start, sight=Sight(begun=counts[tp.topic])) for tp, start in starts.items()}


def _where_to_begin(group: str, of: Collection[TopicPartition]) -> str:
    which = f" of {_names(of)} and these" if of else " and its topics"
    return (
        f"The group {group} has no offsets{which} are not empty: set KAFKA_INITIAL_OFFSET to "
        "earliest, latest, or a time to begin at."
    )


async def _leaders(
    consumer: AIOKafkaConsumer, group: str, partitions: list[TopicPartition]
) -> None:
    """A group begins on all partitions at once, so each must be able to say where."""
    for _ in range(_LEADER_LOOKS):
        there = await log_bounds.ask(consumer, partitions, committed=False)
        silent = [tp for tp, answer in there.items() if isinstance(answer, KafkaError)]
        if not silent:
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise StartError(
        f"The group {group} is new and Kafka answers nothing of {_names(silent)}: look at their "
        "leaders."
    )


def _names(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{tp.topic}-{tp.partition}" for tp in partitions)


async def read_begins(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], start: str | datetime | None
) -> Mapping[TopicPartition, int]:
    """Returns where a group without offsets begins."""
    there = await log_bounds.learn(consumer, partitions)
    if start is None or start == "earliest":
        return {tp: each.first for tp, each in there.items()}
    # The ends first: what comes after this moment belongs to the group in any case.
    ends = {tp: each.readable for tp, each in there.items()}
    if not isinstance(start, datetime):
        return ends
    found = await log_bounds.learn_at(consumer, partitions, int(start.timestamp() * 1000))
    return {tp: at if (at := found[tp]) is not None else ends[tp] for tp in partitions}


async def read_progress(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition], cluster: str
) -> Mapping[TopicPartition, Progress]:
    """Returns where the group has come to in each partition; leaves out those without an offset.

    A committed offset without our metadata was set by a person: a new epoch begins, named after the
    time in milliseconds and so larger than any before. Runs in the consumer's own loop.
    """
    committed = await read_committed(consumer, partitions)
    epoch = clocks.wall_ms()
    return {
        tp: decode(at.metadata, at.offset, cluster) or Progress(at.offset, epoch=epoch)
        for tp, at in committed.items()
    }
