"""`dead-letters`: what is listed and shown of a topic, and what is said when nothing can be."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from agents.router.redaction import without_secrets
from agents.router.routing import route
from agents.router.settings import RouterSettings
from models.dead_letter import DeadLetter
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams import headers
from streams.dead_letters.writer import DeadLetters, preserve
from streams.settings import KafkaSettings
from streams.terminal import escaped
from streams.topics import DEAD_LETTERS, EVENTS, RAW
from tests.cli.command import run, run_on
from tests.kafka.log import everything
from tests.streams.cluster import create, delete_before, producing, settings, write

PERSONAL = "lin@shop.example"
ANY = RouterSettings()


def letter(**changed: Any) -> DeadLetter:
    fields = {
        "stage": "sink",
        "destination": "sailthru",
        "reason": "refused",
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
        ["sailthru", "refused", "2"],
    ]
    assert rows[5] == ["position", "time", "destination", "reason", "place", "record"]
    assert [(row[0], *row[2:]) for row in rows[6:9]] == [
        ("0/2", "sailthru", "refused", "events/1/42", "record-1"),
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
    await delete_before(cluster, cluster.topic(DEAD_LETTERS.name), 3)
    gone = await run_on(cluster, "dead-letters", "redrive", "0/1")
    assert gone.returncode == 1
    assert gone.stderr == "Error: Kafka has deleted dead letter 0/1: it is too old.\n"
    left = await run_on(cluster, "dead-letters", "list", "--json")
    assert len(left.stdout.splitlines()) == 2


@pytest.mark.kafka
async def test_redrive_says_what_cannot_be_sent_and_why(kafka: Kafka, prefix: str) -> None:
    """The letters name topics without the prefix that this cluster has."""
    said = await run_on(
        await written(kafka, prefix), "dead-letters", "redrive", "--destination", "sailthru"
    )
    assert said.returncode == 1
    why = "sailthru  refused  not sent: sailthru reads no topic events here: see KAFKA_PREFIX"
    assert said.stdout.splitlines() == [
        f"0/1  {why}",
        f"0/2  {why}",
        "0 can be sent, 2 cannot.",
    ]


GENUINE = b'{"kind": "custom", "id": "record-0"}'
RAW_MESSAGE = b'{"account": {"account_settings": {"apiSecret": "of-the-customer"}}, "type": 7'
FORGED: dict[str, dict[str, Any]] = {
    "another value": preserve(GENUINE.replace(b"custom", b"forged")),
    "another key": {"key": b"18"},
    "no key": {"key": None},
    "another id": {"record_id": "record-1"},
}


async def compared(kafka: Kafka, prefix: str, *changed: dict[str, Any]) -> KafkaSettings:
    """A letter each of the one record in `events`, changed so; of it all else is true."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster, [DEAD_LETTERS, EVENTS, RAW])
    events = cluster.topic(EVENTS.name)
    async with producing(cluster) as producer:
        await producer.send_and_wait(
            events, GENUINE, key=b"17", headers=headers.make("record-0", "custom", 0)
        )
        genuine = {"topic": events, "partition": 0, "offset": 0, "record_id": "record-0"}
        letters = [
            letter(**{**genuine, "key": b"17", **preserve(GENUINE), **each}) for each in changed
        ]
        await DeadLetters(producer, cluster.topic(DEAD_LETTERS.name)).write(letters)
    return cluster


@pytest.mark.kafka
@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED)
async def test_what_is_not_the_record_that_it_names_is_never_sent(
    kafka: Kafka, prefix: str, changed: dict[str, Any]
) -> None:
    """Who may write dead letters must not write to `events` by somebody else's hand."""
    cluster = await compared(kafka, prefix, changed)
    said = await run_on(
        cluster,
        "dead-letters",
        "redrive",
        "0/0",
        "--execute",
        "--uncompared",
        "--beyond-dedup-window",
    )
    assert said.returncode == 1
    name = cluster.topic(EVENTS.name)
    why = f"{name}/0/0 is another record: who wrote this dead letter?"
    assert said.stdout.splitlines() == [
        f"0/0  sailthru  refused  not sent: {why}",
        "0 sent again, 1 not.",
    ]
    assert len(await everything(cluster, EVENTS)) == 1


@pytest.mark.kafka
async def test_redrive_shows_what_it_would_write_and_that_it_is_what_was_there(
    kafka: Kafka, prefix: str
) -> None:
    cluster = await compared(kafka, prefix, {})
    name = cluster.topic(EVENTS.name)
    said = await run_on(cluster, "dead-letters", "redrive", "0/0", "--whole")
    sha256 = hashlib.sha256(GENUINE).hexdigest()[:12]
    first, whole, *_ = said.stdout.splitlines()
    assert first == (
        f"0/0  sailthru  refused  to {name}/0: {len(GENUINE)} bytes, SHA-256 {sha256}…, "
        f"the same as {name}/0/0"
    )
    assert orjson.loads(whole) == {
        "topic": name,
        "partition": 0,
        "key": "17",
        "value": GENUINE.decode(),
        "headers": {
            "id": "record-0",
            "kind": "custom",
            "redriven-for": "sailthru",
            "redriven-of": "0/0",
        },
    }
    assert len(await everything(cluster, EVENTS)) == 1


@pytest.mark.kafka
async def test_what_cannot_be_compared_any_more_is_said_and_needs_a_word(
    kafka: Kafka, prefix: str
) -> None:
    cluster = await compared(kafka, prefix, {}, {"offset": 7})
    name = cluster.topic(EVENTS.name)
    await delete_before(cluster, name, 1)
    words = ("dead-letters", "redrive", "--destination", "sailthru", "--beyond-dedup-window")
    refused = await run_on(cluster, *words, "--execute")
    assert refused.returncode == 1
    for at, offset in (("0/0", 0), ("0/1", 7)):
        assert (
            f"{at}  sailthru  refused  not sent: Kafka has no {name}/0/{offset} to compare it "
            "with: see --uncompared\n"
        ) in refused.stdout
    sent = await run_on(cluster, *words, "--uncompared", "--execute")
    assert sent.returncode == 0
    assert sent.stdout.count("not compared: Kafka no longer has that record") == 2
    assert len(await everything(cluster, EVENTS)) == 2


@pytest.mark.kafka
async def test_a_raw_message_whose_letter_lacks_its_secrets_is_known_again(
    kafka: Kafka, prefix: str
) -> None:
    cluster = await compared(kafka, prefix)
    raw = cluster.topic(RAW.name)
    async with producing(cluster) as producer:
        await producer.send_and_wait(raw, RAW_MESSAGE, key=None)
        kept = {"key": None, "topic": raw, "partition": 0, "offset": 0}
        its = letter(**{**OF_ROUTER, **kept, **preserve(without_secrets(RAW_MESSAGE))})
        await DeadLetters(producer, cluster.topic(DEAD_LETTERS.name)).write([its])
    assert b"of-the-customer" not in its.value
    said = await run_on(cluster, "dead-letters", "redrive", "0/0", "--execute")
    assert f"the same as {raw}/0/0" in said.stdout
    assert len(await everything(cluster, RAW)) == 2


@pytest.mark.kafka
async def test_nothing_of_a_dead_letter_reaches_the_terminal_as_a_control(
    kafka: Kafka, prefix: str
) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x9b1A\r\n0/9  sailthru  delivered\u202e"
    cluster = await compared(
        kafka,
        prefix,
        {"reason": hostile, "detail": hostile, "record_id": None},
        {"topic": hostile, "reason": hostile, "key": hostile.encode(), "record_id": hostile},
        {"reason": hostile, **preserve(hostile.encode()), "key": hostile.encode()},
    )
    everywhere = ("--since", "1h", "--execute", "--whole", "--beyond-dedup-window", "--uncompared")
    for words in (("list",), ("list", "--json"), ("show", "0/1"), ("redrive", *everywhere)):
        said = await run_on(cluster, "dead-letters", *words)
        assert "title" in said.stdout
        for line in (said.stdout + said.stderr).split("\n"):
            assert escaped(line) == line
            assert not line.startswith("0/9")


OF_NOWHERE: dict[str, dict[str, Any]] = {
    "a partition below the first": {"partition": -1},
    "more partitions than there can be": {"partition": 2**31},
    "an offset below the first": {"offset": -1},
    "an offset beyond the last": {"offset": 2**63},
    "a time that no computer counts to": {"first_at_ms": 2**63},
    "more bytes than there are": {"length": 2**63},
}


@pytest.mark.parametrize("changed", OF_NOWHERE.values(), ids=OF_NOWHERE)
def test_a_letter_of_what_cannot_be_is_none_of_ours(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        letter(**changed)


@pytest.mark.parametrize("time_ms", [-(2**63), -1, 0, 2**63 - 1])
def test_a_letter_is_ours_whatever_time_a_producer_told_kafka(time_ms: int) -> None:
    routed = route(b"{", RawPosition(topic="raw", partition=0, offset=0, index=0), time_ms, ANY)
    [made] = routed.dead_letters
    assert DeadLetter.model_validate_json(made.model_dump_json()) == made


@pytest.mark.kafka
async def test_letters_that_nobody_could_have_written_stand_in_no_others_way(
    kafka: Kafka, prefix: str
) -> None:
    """Else one that a stranger wrote would end each command before it comes to the next."""
    values = b"[" * 100_000, rb'{"kind":"\ud800"}', b'{"kind":{}}'
    cluster = await compared(kafka, prefix, *({**preserve(each), "offset": 9} for each in values))
    written = orjson.loads(letter().model_dump_json())
    for changed in OF_NOWHERE.values():
        await write(cluster, DEAD_LETTERS, json.dumps(written | changed).encode())
    for words in (
        ("list", "--json"),
        ("show", "0/0"),
        ("redrive", "--since", "1h", "--uncompared"),
    ):
        said = await run_on(cluster, "dead-letters", *words)
        assert "Traceback" not in said.stderr
        assert "0/0" in said.stdout
    assert "3 can be sent, 0 cannot." in said.stdout


@pytest.mark.kafka
async def test_a_prefix_without_the_topic_is_said(kafka: Kafka, prefix: str) -> None:
    said = await run_on(settings(kafka, f"no-{prefix}"), "dead-letters", "list")
    assert said.returncode == 1
    assert said.stderr.startswith(f"Error: There is no topic no-{prefix}dead-letters at ")


@pytest.mark.parametrize("arguments", [(), ("0/1", "--reason", "refused")], ids=["nothing", "both"])
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
