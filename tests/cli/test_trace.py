"""`trace`: what is said of a raw message, of a user, and of what is not there."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import RecordMetadata

from agents.router.routing import route
from agents.router.settings import RouterSettings
from models.dead_letter import DeadLetter
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams.dead_letters.writer import DeadLetters, preserve
from streams.kafka.batch_writer import partition_of, write
from streams.kafka.clients import admin
from streams.kafka.commit_metadata import NOTHING_SEEN, Progress, Sight, encode
from streams.kafka.ranges import Reader
from streams.topics import (
    AUDIENCE_MEMBERSHIP,
    BY_USER,
    DEAD_LETTERS,
    EVENTS,
    RAW,
    USER_UPDATE,
    Topic,
)
from tests.cli.command import run, run_on
from tests.cli.messages import EMAIL, MPID, attribute, custom_event, event_batch, memberships
from tests.routed import outgoing
from tests.streams.cluster import add_partitions, commit, create, keep, producing, settings

VALUE = "Lyon"
BROKEN = {"event_type": "custom_event", "data": 7}
MIXED = event_batch(attribute("$City", VALUE), custom_event("Read"))
MESSAGES = (MIXED, memberships("Readers"), event_batch(custom_event("Read"), BROKEN))
FAR = datetime(2026, 1, 31, tzinfo=UTC)


class Log:
    """What workers would have left in Kafka, in one partition of each topic."""

    def __init__(self, kafka: Kafka, prefix: str) -> None:
        self.cluster = settings(kafka, prefix, partitions=1)

    def topic(self, topic: Topic) -> str:
        return self.cluster.topic(topic.name)

    async def write(self, *messages: bytes, at: datetime | None = None) -> None:
        """Raw messages, a second apart, and what the router writes of them."""
        began = at or datetime.now(UTC) - timedelta(minutes=1)
        await create(self.cluster)
        await keep(self.cluster, RAW)
        async with producing(self.cluster) as producer:
            letters = DeadLetters(producer, self.topic(DEAD_LETTERS))
            for number, value in enumerate(messages):
                at_ms = int(began.timestamp() * 1000) + 1000 * number
                key = MPID.encode()
                written: RecordMetadata = await producer.send_and_wait(
                    self.topic(RAW), value, key=key, timestamp_ms=at_ms
                )
                raw = RawPosition(topic=written.topic, partition=0, offset=written.offset, index=0)
                routed = route(value, raw, written.timestamp, RouterSettings(), key)
                records = [
                    outgoing(out)._replace(topic=self.topic(out.topic)) for out in routed.outs
                ]
                await write(producer, records)
                await letters.write(routed.dead_letters)

    async def commit(
        self, worker: str, topic: Topic, offset: int, sight: Sight = NOTHING_SEEN
    ) -> None:
        async with Reader.open(self.cluster) as reader:
            text = encode(Progress(offset, sight=sight), reader.cluster)
        where = {(self.topic(topic), 0): (offset, text)}
        await commit(self.cluster, self.cluster.group(worker), where)

    async def reject(self, topic: Topic, offset: int) -> None:
        letter = DeadLetter(
            stage="sink",
            destination="sailthru",
            reason="refused",
            topic=self.topic(topic),
            partition=0,
            offset=offset,
            first_at_ms=1,
            last_at_ms=2,
            key=MPID.encode(),
            **preserve(EMAIL.encode()),
        )
        async with producing(self.cluster) as producer:
            await DeadLetters(producer, self.topic(DEAD_LETTERS)).write([letter])

    async def delete(self, topic: Topic, before: int) -> None:
        where = {TopicPartition(self.topic(topic), 0): RecordsToDelete(before_offset=before)}
        async with admin(self.cluster) as client:
            await client.delete_records(where)

    async def trace(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        said = await run_on(self.cluster, "trace", *arguments)
        for personal in (EMAIL, MPID, VALUE, "Readers"):
            assert personal not in said.stdout + said.stderr
        return said

    async def lines(self, *arguments: str) -> Sequence[Any]:
        said = await self.trace(*arguments, "--json")
        assert said.returncode == 0, said.stderr
        return [orjson.loads(line) for line in said.stdout.splitlines()]


@pytest.fixture
def log(kafka: Kafka, prefix: str) -> Log:
    return Log(kafka, prefix)


@pytest.mark.kafka
async def test_of_a_raw_message_its_records_and_dead_letters_are_told(log: Log) -> None:
    await log.write(*MESSAGES)
    await log.commit("router", RAW, 3)
    await log.commit("sailthru", EVENTS, 1)
    await log.reject(EVENTS, 1)
    said = await log.trace("--raw", "0/2")
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert lines[0].startswith(f"{log.topic(RAW)} 0/2: {len(MESSAGES[2])} bytes, taken 20")
    assert lines[1].endswith(
        "it becomes: records 1 (events 1); dropped 0; dead letters 1 (bad_event 1)."
    )
    assert lines[2] == "The router has passed it."
    rows = [line.split() for line in lines[5:]]
    assert rows[0] == [
        "topic", "position", "time", "kind", "record", "raw", "ab-tasty", "sailthru"
    ]  # fmt: skip
    assert rows[1][:2] == [log.topic(EVENTS), "0/1"]
    assert rows[1][5:] == ["0/2#0", "not", "read", "dead", "letter", "refused", "at", "0/1"]
    assert [(row[0], *row[2:5]) for row in rows[5:7]] == [
        ("0/0", "router", "bad_event", f"{log.topic(RAW)}/0/2#1"),
        ("0/1", "sailthru", "refused", f"{log.topic(EVENTS)}/0/1"),
    ]


@pytest.mark.kafka
async def test_for_scripts_each_record_has_a_line_with_every_destination(log: Log) -> None:
    await log.write(*MESSAGES)
    await log.commit("ab-tasty", AUDIENCE_MEMBERSHIP, 1)
    raw, *records = await log.lines("--raw", "0/1")
    assert (raw["raw"], raw["router"], raw["sent_again"]) == ("0/1", "waiting", [])
    assert raw["becomes"] == {
        "topic": {"audience-membership": 1},
        "dropped": {},
        "dead_letter": {},
    }
    [record] = records
    assert record == {
        "topic": log.topic(AUDIENCE_MEMBERSHIP),
        "position": "0/0",
        "time": raw["time"],
        "kind": "membership_changed",
        "record": record["record"],
        "raw": "0/1#0",
        "destinations": {"ab-tasty": "ended", "sailthru": "waiting"},
    }


@pytest.mark.kafka
async def test_of_a_user_all_that_was_written_in_a_time_is_told_and_only_theirs(log: Log) -> None:
    """However old the messages are: this one came long before it was routed."""
    await log.write(MIXED, at=FAR)
    between = datetime.now(UTC).isoformat()
    await log.write(*MESSAGES, event_batch(custom_event("Read"), mpid="17"))
    lately = await log.lines("--user", MPID, "--since", between)
    assert [line.get("raw", line.get("place")) for line in lately] == [
        "0/1#0", "0/1#1", "0/2#0", "0/3#0", f"{log.topic(RAW)}/0/3#1"
    ]  # fmt: skip
    before = await log.lines("--user", MPID, "--until", between)
    then = [line for line in before if "record" in line]
    assert [line["raw"] for line in then if "kind" in line] == ["0/0#0", "0/0#1"]


@pytest.mark.kafka
async def test_what_the_router_has_not_written_is_named(log: Log) -> None:
    await log.write(MIXED)
    await log.delete(EVENTS, 1)
    _, *records = await log.lines("--raw", "0/0")
    assert [(line["position"], line["kind"]) for line in records] == [
        ("0/0", "attributes_changed"),
        ("not found", "custom_event"),
    ]
    said = await log.trace("--raw", "0/0")
    assert "The router's group has no offset of this partition" in said.stdout
    assert "not found: not written yet" in said.stdout


@pytest.mark.kafka
async def test_records_are_found_of_a_raw_message_that_kafka_has_deleted(log: Log) -> None:
    await log.write(*MESSAGES)
    await log.delete(RAW, 2)
    raw, *records = await log.lines("--raw", "0/0")
    assert raw == {"raw": "0/0", "router": "waiting", "sent_again": [], "deleted": True}
    assert [(line["topic"], line["raw"]) for line in records] == [
        (log.topic(USER_UPDATE), "0/0#0"),
        (log.topic(EVENTS), "0/0#1"),
    ]
    said = await log.trace("--raw", "0/0")
    assert said.stdout.startswith(f"{log.topic(RAW)} 0/0: Kafka has deleted it.\n")


@pytest.mark.kafka
async def test_what_the_router_would_not_make_now_is_found_all_the_same(log: Log) -> None:
    await log.write(MIXED, event_batch(mpid=MPID, user_attributes={"$City": VALUE}))
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": log.cluster.bootstrap_servers,
        "KAFKA_PREFIX": log.cluster.prefix,
        "ROUTER_SNAPSHOTS": "never",
    }
    said = run("trace", "--raw", "0/1", "--json", settings=given)
    raw, record = map(orjson.loads, said.stdout.splitlines())
    assert raw["becomes"]["dropped"] == {"snapshots_never": 1}
    assert (record["topic"], record["raw"]) == (log.topic(USER_UPDATE), "0/1#0")


@pytest.mark.kafka
async def test_what_was_too_much_to_read_is_said(log: Log) -> None:
    await log.write(*[MIXED] * 3)
    said = await log.trace("--user", MPID, "--most", "2")
    assert said.returncode == 0
    assert "Same record twice: " in said.stdout
    assert f"Too much: {log.topic(EVENTS)} was read only up to 20" in said.stdout
    assert ", before 0/2: see --most and --since." in said.stdout


@pytest.mark.kafka
async def test_a_trace_finds_what_was_written_before_partitions_were_added(log: Log) -> None:
    """The user has moved since, from the one partition there was."""
    count = next(each for each in range(2, 9) if partition_of(MPID.encode(), each))
    await log.write(MIXED)
    for topic in BY_USER:
        await add_partitions(log.cluster, topic, count)
    await log.write(MIXED)
    now = partition_of(MPID.encode(), count)
    assert [line["position"] for line in await log.lines("--user", MPID)] == [
        "0/0", "0/0", f"{now}/0", f"{now}/0"
    ]  # fmt: skip
    _, *first = await log.lines("--raw", "0/0")
    assert [line["position"] for line in first] == ["0/0", "0/0"]
    said = await log.trace("--user", MPID)
    assert (
        "Written before partitions were added, when their key belonged to another: "
        f"{log.topic(USER_UPDATE)} 0/0, {log.topic(EVENTS)} 0/0."
    ) in said.stdout
    # A destination's workers saw the new partitions when there was nothing in the old one yet.
    await log.commit("sailthru", EVENTS, 0, Sight(begun=1, partitions=count))
    assert [line["position"] for line in await log.lines("--user", MPID)] == [
        "0/0", f"{now}/0", f"{now}/0"
    ]  # fmt: skip


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--raw", "0/3"), "There is no raw message 0/3 yet: 1 is next."),
        (("--raw", "4/0"), "{prefix}mparticle-raw has no partition 4: it has 1."),
    ],
)
async def test_a_position_where_nothing_stands_says_why(
    log: Log, prefix: str, arguments: tuple[str, ...], says: str
) -> None:
    await log.write(MIXED)
    said = await log.trace(*arguments)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == f"Error: {says.format(prefix=prefix)}\n"


@pytest.mark.kafka
async def test_a_user_without_records_is_not_found(log: Log) -> None:
    await log.write(MIXED)
    said = await log.trace("--user", "17")
    assert said.returncode == 1
    assert said.stdout.endswith(" to now: records 0, dead letters 0.\n")


@pytest.mark.kafka
async def test_a_prefix_without_the_topic_is_said(kafka: Kafka, prefix: str) -> None:
    for arguments in (("--raw", "0/0"), ("--user", "17")):
        said = await Log(kafka, f"no-{prefix}").trace(*arguments)
        assert said.returncode == 1
        assert said.stderr.startswith(f"Error: There is no topic no-{prefix}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Give either --raw or --user"),
        (("--raw", "0/1", "--user", "17"), "Give either --raw or --user"),
        (("--raw", "0-1"), "0-1 is no position: give PARTITION/OFFSET"),
        (("--user", "lin"), "--user takes mParticle's id of a user"),
        (("--user", "17", "--since", "noon"), "noon is no time"),
    ],
)
def test_what_cannot_be_traced_says_what_to_give(arguments: tuple[str, ...], says: str) -> None:
    said = run("trace", *arguments)
    assert said.returncode == 2
    assert says in said.stderr


@pytest.mark.parametrize("arguments", [("--raw", "0/1"), ("--user", "-17")], ids=" ".join)
def test_kafka_that_is_away_is_named_in_one_sentence(arguments: tuple[str, ...]) -> None:
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    said = run("trace", *arguments, settings=away, seconds=10)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == (
        "Error: Kafka does not answer at 127.0.0.1:1: start it, or set KAFKA_BOOTSTRAP_SERVERS.\n"
    )
