"""`dead-letters`: what is listed and shown of a topic, and what is said when nothing can be."""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from models.dead_letter import DeadLetter
from sandbox.kafka import Kafka
from streams.dead_letters import DeadLetters, preserve
from streams.settings import KafkaSettings
from streams.topics import DEAD_LETTERS, EVENTS
from tests.cli.command import run, run_on
from tests.streams.cluster import admin, create, producing, settings, write

PERSONAL = "lin@shop.example"


def letter(**changed: Any) -> DeadLetter:
    fields = {
        "stage": "sink",
        "destination": "sailthru",
        "reason": "rejected",
        "detail": "error 11",
        "topic": "events",
        "partition": 1,
        "offset": 41,
        "record_id": "record-1",
        "first_at_ms": 1,
        "last_at_ms": 2,
        "key": PERSONAL.encode(),
        **preserve(PERSONAL.encode()),
        **changed,
    }
    return DeadLetter(**fields)


OF_ROUTER = {"stage": "router", "destination": None, "topic": "mparticle-raw", "record_id": None}
LETTERS = (
    letter(),
    letter(offset=42),
    letter(destination="ab-tasty", reason="invalid_record", record_id=None),
    letter(reason="bad_event", index=3, **{**OF_ROUTER, **preserve(b"\xff{")}),
)


async def written(kafka: Kafka, prefix: str) -> KafkaSettings:
    """All letters, one after the other in a partition, and something that is none before them."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster, [DEAD_LETTERS, EVENTS])
    await write(cluster, DEAD_LETTERS, b"not a letter")
    async with producing(cluster) as producer:
        for each in LETTERS:
            await DeadLetters(producer, cluster.topic(DEAD_LETTERS.name)).write([each])
    return cluster


@pytest.mark.kafka
async def test_list_counts_then_names_the_newest_without_personal_data(
    kafka: Kafka, prefix: str
) -> None:
    said = await run_on(await written(kafka, prefix), "dead-letters", "list", "--limit", "3")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert rows[:4] == [
        ["destination", "reason", "count"],
        ["ab-tasty", "invalid_record", "1"],
        ["router", "bad_event", "1"],
        ["sailthru", "rejected", "2"],
    ]
    assert rows[5] == ["position", "time", "destination", "reason", "place", "record"]
    assert [(row[0], *row[2:]) for row in rows[6:9]] == [
        ("0/2", "sailthru", "rejected", "events/1/42", "record-1"),
        ("0/3", "ab-tasty", "invalid_record", "events/1/41"),
        ("0/4", "router", "bad_event", "mparticle-raw/1/41#3"),
    ]
    assert said.stdout.endswith("1 older: see --limit.\n")
    assert said.stderr == "Left out, as no dead letters of ours: 1.\n"
    assert PERSONAL not in said.stdout


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("chosen", "positions"),
    [
        ((), ["0/1", "0/2", "0/3", "0/4"]),
        (("--destination", "sailthru"), ["0/1", "0/2"]),
        (("--reason", "bad_event"), ["0/4"]),
        (("--destination", "sailthru", "--reason", "bad_event"), []),
        (("--since", "1h"), ["0/1", "0/2", "0/3", "0/4"]),
        (("--until", "1h"), []),
        (("--limit", "1"), ["0/4"]),
    ],
)
async def test_list_for_scripts_has_a_line_for_each_that_is_chosen(
    kafka: Kafka, prefix: str, chosen: tuple[str, ...], positions: list[str]
) -> None:
    said = await run_on(await written(kafka, prefix), "dead-letters", "list", "--json", *chosen)
    assert [orjson.loads(line)["position"] for line in said.stdout.splitlines()] == positions


@pytest.mark.kafka
async def test_show_prints_one_whole_and_says_what_is_not_there(kafka: Kafka, prefix: str) -> None:
    cluster = await written(kafka, prefix)
    text = orjson.loads((await run_on(cluster, "dead-letters", "show", "0/1")).stdout)
    assert (text["key"], text["value"], text["detail"]) == (PERSONAL, PERSONAL, "error 11")
    other = orjson.loads((await run_on(cluster, "dead-letters", "show", "0/4")).stdout)
    assert other["value_base64"] == "/3s="
    for position, says in [
        ("0/0", "What stands at 0/0 is no dead letter of ours."),
        ("0/5", "There is no dead letter 0/5 yet."),
        ("9/0", "There is no dead letter 9/0 yet."),
    ]:
        missing = await run_on(cluster, "dead-letters", "show", position)
        assert (missing.returncode, missing.stderr) == (1, f"Error: {says}\n")


@pytest.mark.kafka
async def test_a_letter_that_kafka_has_deleted_is_too_old(kafka: Kafka, prefix: str) -> None:
    cluster = await written(kafka, prefix)
    async with admin(cluster) as client:
        await delete_before(client, cluster.topic(DEAD_LETTERS.name), 3)
    gone = await run_on(cluster, "dead-letters", "redrive", "0/1")
    assert gone.returncode == 1
    assert gone.stderr == "Error: Kafka has deleted dead letter 0/1: it is too old.\n"
    left = await run_on(cluster, "dead-letters", "list", "--json")
    assert len(left.stdout.splitlines()) == 2


async def delete_before(client: AIOKafkaAdminClient, topic: str, offset: int) -> None:

    await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})


@pytest.mark.kafka
async def test_redrive_says_what_cannot_be_sent_and_why(kafka: Kafka, prefix: str) -> None:
    """The letters name topics without the prefix that this cluster has."""
    said = await run_on(
        await written(kafka, prefix), "dead-letters", "redrive", "--destination", "sailthru"
    )
    assert said.returncode == 1
    why = "sailthru  rejected  not sent: sailthru reads no topic events here: see KAFKA_PREFIX"
    assert said.stdout.splitlines() == [
        f"0/1  {why}",
        f"0/2  {why}",
        "0 can be sent, 2 cannot.",
    ]


@pytest.mark.kafka
async def test_a_prefix_without_the_topic_is_said(kafka: Kafka, prefix: str) -> None:
    said = await run_on(settings(kafka, f"no-{prefix}"), "dead-letters", "list")
    assert said.returncode == 1
    assert said.stderr.startswith(f"Error: There is no topic no-{prefix}dead-letters at ")


@pytest.mark.parametrize(
    "arguments", [(), ("0/1", "--reason", "rejected")], ids=["nothing", "both"]
)
def test_redrive_takes_positions_or_a_choice(arguments: tuple[str, ...]) -> None:
    said = run("dead-letters", "redrive", *arguments)
    assert said.returncode == 2
    assert "Give either positions, or what to choose by" in said.stderr


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


ASKING = [
    ("dead-letters", "list"),
    ("dead-letters", "show", "0/1"),
    ("dead-letters", "redrive", "0/1", "--execute"),
    ("replay", "sailthru", "--to", "earliest", "--execute"),
]


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_kafka_that_is_away_is_named_in_one_sentence(arguments: tuple[str, ...]) -> None:
    _is_named("127.0.0.1:1", arguments)


@pytest.mark.parametrize("arguments", [ASKING[0], ASKING[3]], ids=" ".join)
def test_kafka_that_is_silent_is_named_within_ten_seconds(
    silent: str, arguments: tuple[str, ...]
) -> None:
    _is_named(silent, arguments)


def _is_named(address: str, arguments: tuple[str, ...]) -> None:
    said = run(*arguments, settings={"KAFKA_BOOTSTRAP_SERVERS": address}, seconds=10)
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr == (
        f"Error: Kafka does not answer at {address}: start it, or set KAFKA_BOOTSTRAP_SERVERS.\n"
    )
