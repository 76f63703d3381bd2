"""Before a worker starts: what refuses it, in one sentence, and where its partitions begin."""

import asyncio
import itertools
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from agents.registry import all_topics
from agents.sailthru.topics import SAILTHRU_LISTS
from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from streams.engine import startup
from streams.engine.startup import StartError, read_progress
from streams.kafka import topic_admin
from streams.kafka.clients import admin
from streams.kafka.commit_metadata import Progress, Sight, encode
from streams.kafka.committed_offsets import read_committed
from streams.kafka.rights import Rights
from streams.logins import Connection
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES, BY_USER, DEAD_LETTERS, EVENTS, RAW, USER_UPDATE
from tests.streams.cluster import (
    add_partitions,
    assigned,
    commit,
    configure,
    create,
    prepare,
    settings,
    write,
)

EVERYTHING = Rights(writes=all_topics())
KAFKA = pytest.mark.kafka


def sentence(error: pytest.ExceptionInfo[StartError]) -> str:
    text = str(error.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text
    return text


async def test_a_kafka_that_is_away_is_named_by_its_address() -> None:
    address = f"127.0.0.1:{next(free_ports())}"
    with pytest.raises(StartError) as raised:
        async with asyncio.timeout(60):
            await startup.prepare(KafkaSettings(bootstrap_servers=address), "group", [RAW])

    assert address in sentence(raised)
    assert "KAFKA_BOOTSTRAP_SERVERS" in sentence(raised)


async def test_a_kafka_that_takes_connections_and_says_nothing_is_away_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        silence = KafkaSettings(bootstrap_servers=address)
        with pytest.raises(StartError) as raised:
            await startup.prepare(silence, "group", [RAW], patience_s=0.3)

    assert address in sentence(raised)


@KAFKA
async def test_a_silent_address_among_several_keeps_nobody_from_starting(
    kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one is asked first is chance, and here it is always the silent one."""
    monkeypatch.setattr(Connection, "first_answer_s", 0.2)
    monkeypatch.setattr("aiokafka.conn.random.shuffle", lambda _: None)
    to = settings(kafka, prefix)
    await create(to)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        several = f"127.0.0.1:{silent.getsockname()[1]},{to.bootstrap_servers}"
        partly = to.model_copy(update={"bootstrap_servers": several})

        assert await prepare(partly, to.group("router"), [RAW])


@KAFKA
async def test_missing_topics_are_named(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix)
    await create(to, [topic for topic in all_topics() if topic not in (EVENTS, RAW)])
    with pytest.raises(StartError) as raised:
        await prepare(to, to.group("router"), [RAW])

    assert f"{prefix}events, {prefix}mparticle-raw" in sentence(raised)
    assert "KAFKA_CREATE_TOPICS=true" in sentence(raised)


@KAFKA
async def test_topics_are_created_when_it_is_asked_to(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=3).model_copy(update={"create_topics": True})
    await prepare(to, to.group("router"), [RAW], needed=EVERYTHING, component="all")
    expected = {to.topic(topic.name): topic.partitions or 3 for topic in all_topics()}
    async with admin(to) as client:
        described = await client.describe_topics([*expected])

    assert {each["topic"]: len(each["partitions"]) for each in described} == expected


@KAFKA
async def test_topics_that_were_created_are_waited_for_until_kafka_tells_of_them(
    kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker learns from its controller what was created; that takes it a moment."""
    told = topic_admin.existing
    answers = itertools.count()

    async def told_late(client: AIOKafkaAdminClient) -> Mapping[str, int]:
        return {} if next(answers) < 3 else await told(client)

    monkeypatch.setattr(topic_admin, "existing", told_late)
    to = settings(kafka, prefix).model_copy(update={"create_topics": True})

    assert await prepare(to, to.group("router"), [RAW])


@KAFKA
async def test_topics_that_cannot_be_created_are_a_sentence(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix).model_copy(
        update={"create_topics": True, "topic_replication_factor": 3}
    )
    with pytest.raises(StartError) as raised:
        await prepare(to, to.group("router"), [RAW])

    assert "KAFKA_TOPIC_REPLICATION_FACTOR" in sentence(raised)


@KAFKA
async def test_unequal_partition_counts_are_named(kafka: Kafka, prefix: str) -> None:
    await create(settings(kafka, prefix, partitions=1), [EVENTS])
    to = settings(kafka, prefix, partitions=2)
    await create(to, [topic for topic in all_topics() if topic is not EVENTS])
    with pytest.raises(StartError) as raised:
        await prepare(to, to.group("router"), [RAW])

    assert f"{prefix}events 1" in sentence(raised)
    assert f"{prefix}user-update 2" in sentence(raised)


@KAFKA
async def test_a_group_without_offsets_refuses_topics_that_are_not_empty(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    await write(to, EVENTS, b"{}", partition=1)
    group = to.group("sailthru")
    with pytest.raises(StartError) as raised:
        await prepare(to, group, BY_USER)

    assert group in sentence(raised)
    assert "KAFKA_INITIAL_OFFSET" in sentence(raised)


@KAFKA
@pytest.mark.parametrize("start", ["earliest", "latest", datetime(2026, 1, 31, tzinfo=UTC)])
async def test_it_starts_when_it_is_told_where(
    kafka: Kafka, prefix: str, start: str | datetime
) -> None:
    to = settings(kafka, prefix).model_copy(update={"initial_offset": start})
    await create(to)
    await write(to, RAW, b"{}")

    assert await prepare(to, to.group("router"), [RAW])


@KAFKA
async def test_it_starts_on_empty_topics_and_on_offsets_of_its_own(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    group = to.group("router")
    cluster = await prepare(to, group, [RAW])
    await commit(to, group, {(to.topic(RAW.name), 0): (0, "")})
    await write(to, RAW, b"{}")

    assert await prepare(to, group, [RAW]) == cluster


UNFIT = {
    "dead-letters has cleanup.policy=compact, which refuses what has no key": (
        DEAD_LETTERS,
        {"cleanup.policy": "compact"},
    ),
    "events has cleanup.policy=compact,delete, which refuses": (
        EVENTS,
        {"cleanup.policy": "compact,delete"},
    ),
    "audiences has cleanup.policy=delete, which forgets": (AUDIENCES, {"cleanup.policy": "delete"}),
    "sailthru-lists has cleanup.policy=compact,delete, which forgets": (
        SAILTHRU_LISTS,
        {"cleanup.policy": "compact,delete"},
    ),
    "user-update has min.insync.replicas=2 and 1 replicas": (
        USER_UPDATE,
        {"min.insync.replicas": "2"},
    ),
}


@KAFKA
@pytest.mark.parametrize("says", UNFIT)
async def test_a_topic_whose_settings_refuse_or_lose_what_is_written_is_named(
    kafka: Kafka, prefix: str, says: str
) -> None:
    """Before the first dead letter without a key, which would end the worker at each start."""
    to = settings(kafka, prefix)
    await create(to)
    topic, values = UNFIT[says]
    await configure(to, topic, values)
    with pytest.raises(StartError) as raised:
        await prepare(to, "group", [RAW], needed=EVERYTHING, component="all")

    assert f"{prefix}{says}" in sentence(raised)


async def starts(to: KafkaSettings, cluster: str = "C") -> dict[int, Progress]:
    name = to.topic(RAW.name)
    async with assigned(to, to.group("router"), [(name, 0), (name, 1)]) as consumer:
        found = await read_progress(consumer, consumer.assignment(), cluster)
    return {tp.partition: each for tp, each in found.items()}


@KAFKA
async def test_a_partition_goes_on_where_its_metadata_says(kafka: Kafka, prefix: str) -> None:
    to, name = settings(kafka, prefix), f"{prefix}{RAW.name}"
    await create(to, [RAW])
    here, there = Progress(3, ((5, 7), (9, 10)), epoch=4), Progress(8, epoch=2)
    await commit(
        to,
        to.group("router"),
        {(name, 0): (3, encode(here, "C")), (name, 1): (8, encode(there, "C"))},
    )

    assert await starts(to) == {0: here, 1: there}


MOVED = {
    "no metadata": "",
    "the metadata of another offset": encode(Progress(3, ((5, 7),), 1), "C"),
    "the metadata of another cluster": encode(Progress(4, ((5, 7),), 1), "D"),
}


@KAFKA
@pytest.mark.parametrize("text", MOVED.values(), ids=MOVED.keys())
async def test_an_offset_that_a_person_moved_begins_a_new_epoch(
    kafka: Kafka, prefix: str, text: str
) -> None:
    to, name = settings(kafka, prefix), f"{prefix}{RAW.name}"
    await create(to, [RAW])
    await commit(to, to.group("router"), {(name, 0): (4, text), (name, 1): (4, text)})
    before = datetime.now(UTC).timestamp() * 1000
    found = await starts(to)

    assert {progress.offset for progress in found.values()} == {4}
    assert not any(progress.ended for progress in found.values())
    assert all(progress.epoch >= before - 1 for progress in found.values())


@KAFKA
@pytest.mark.parametrize(
    ("start", "offsets"),
    [
        ("earliest", {0: 0, 1: 0}),
        ("latest", {0: 2, 1: 0}),
        (datetime.now(UTC) - timedelta(days=1), {0: 0, 1: 0}),
        (datetime.now(UTC) + timedelta(days=1), {0: 2, 1: 0}),
    ],
)
async def test_a_partition_without_an_offset_begins_where_the_setting_says(
    kafka: Kafka, prefix: str, start: str | datetime, offsets: dict[int, int]
) -> None:
    to = settings(kafka, prefix).model_copy(update={"initial_offset": start})
    await create(to)
    await write(to, RAW, b"{}", b"{}")
    cluster = await prepare(to, to.group("router"), [RAW])
    found = await starts(to, cluster)

    # How many were begun stands beside it, so that what is added later is told from these.
    assert found == {
        partition: Progress(offset, sight=Sight(2)) for partition, offset in offsets.items()
    }


# How many partitions of each topic were begun, as far as commits tell; what of three topics with
# two partitions has an offset, and what must be begun.
FORGOTTEN: Mapping[str, tuple[int, Mapping[str, tuple[int, ...]], set[tuple[str, int]]]] = {
    "a topic": (
        2,
        {"user-update": (0, 1), "audience-membership": (0, 1)},
        {("events", 0), ("events", 1)},
    ),
    "a partition": (
        2,
        {"user-update": (0, 1), "events": (1,), "audience-membership": (0, 1)},
        {("events", 0)},
    ),
    "the last partition of a topic": (
        2,
        {"user-update": (0, 1), "events": (0,), "audience-membership": (0, 1)},
        {("events", 1)},
    ),
    "what was added to all topics later": (
        1,
        {"user-update": (0,), "events": (0,), "audience-membership": (0,)},
        set(),
    ),
    "what another cluster's commits, or a person's, lack": (
        0,
        {"user-update": (0,), "events": (0,), "audience-membership": (0,)},
        {("user-update", 1), ("events", 1), ("audience-membership", 1)},
    ),
}


@KAFKA
@pytest.mark.parametrize(("begun", "known", "forgotten"), FORGOTTEN.values(), ids=FORGOTTEN.keys())
async def test_what_kafka_forgot_of_a_group_is_a_first_start_of_that_alone(
    kafka: Kafka,
    prefix: str,
    begun: int,
    known: Mapping[str, tuple[int, ...]],
    forgotten: set[tuple[str, int]],
) -> None:
    to, group = settings(kafka, prefix), f"{prefix}mparticle-streams-sailthru"
    await create(to)
    for topic in BY_USER:
        for partition in range(2):
            await write(to, topic, b"{}", b"{}", partition=partition)
    here = encode(Progress(1, sight=Sight(begun)), await prepare(to, f"{prefix}another", [RAW]))
    stands = [(f"{prefix}{name}", each) for name, of in known.items() for each in of]
    await commit(to, group, dict.fromkeys(stands, (1, here)))
    if forgotten:
        with pytest.raises(StartError) as raised:
            await prepare(to, group, BY_USER)
        assert "KAFKA_INITIAL_OFFSET" in sentence(raised)
        named = {f"{prefix}{name}-{number}" for name, number in forgotten}
        assert set(re.findall(r"[\w-]+-\d\b", sentence(raised))) == named

    await prepare(to.model_copy(update={"initial_offset": "latest"}), group, BY_USER)
    async with assigned(to, group, [(to.topic(t.name), n) for t in BY_USER for n in (0, 1)]) as has:
        found = await read_committed(has, has.assignment())
    assert {(tp.topic, tp.partition): each.offset for tp, each in found.items()} == {
        **dict.fromkeys(stands, 1),
        **{(f"{prefix}{name}", number): 2 for name, number in forgotten},
    }


@KAFKA
async def test_a_partition_that_was_added_later_has_no_progress_to_go_on_with(
    kafka: Kafka, prefix: str
) -> None:
    """It is read from its beginning: what it holds is no history to skip."""
    to, name = settings(kafka, prefix, partitions=1), f"{prefix}{RAW.name}"
    await create(to, [RAW])
    await commit(to, to.group("router"), {(name, 0): (0, encode(Progress(0), "C"))})
    await add_partitions(to, RAW, 2)
    await write(to, RAW, b"{}", partition=1)
    at_once = await starts(to)
    # Whoever is to read it says that it waits.
    waits = Progress(0, is_begun=False)
    await commit(to, to.group("router"), {(name, 1): (0, encode(waits, "C"))})

    assert at_once == await starts(to) == {0: Progress(0)}


@KAFKA
@pytest.mark.parametrize("start", ["latest", datetime.now(UTC) + timedelta(days=1)])
async def test_workers_that_start_a_group_together_begin_at_the_same_place(
    kafka: Kafka, prefix: str, start: str | datetime
) -> None:
    """One has its partitions and commits where they begin before the other has looked."""
    to = settings(kafka, prefix).model_copy(update={"initial_offset": start})
    name, group = to.topic(RAW.name), to.group("router")
    await create(to)
    for partition in range(2):
        await write(to, RAW, b"{}", b"{}", partition=partition)
    for _ in range(2):
        await prepare(to, group, [RAW])
    async with assigned(to, group, [(name, 0)]) as one:
        (first,) = (await read_progress(one, one.assignment(), "C")).values()
    await commit(to, group, {(name, 0): (first.offset, encode(first, "C"))})
    async with assigned(to, group, [(name, 1)]) as other:
        (second,) = (await read_progress(other, other.assignment(), "C")).values()

    assert (first.offset, second.offset) == (2, 2)
