"""`check`: a line each, and exit code 1 when something is wrong."""

import asyncio
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import pytest
import trustme

from agents import rights as components
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES
from agents.registry import all_topics
from agents.sailthru.topics import SAILTHRU_AUDIENCES
from models.owned_name import OwnedName
from sandbox.ab_tasty import AbTasty
from sandbox.egress import EgressProxy
from sandbox.faults import Answer, Fault, Hang
from sandbox.kafka import Kafka
from sandbox.ports import HOST
from sandbox.sailthru import Sailthru
from sandbox.server import Service, running
from streams.topics import EVENTS, RAW, USER_UPDATE, Topic
from tests.cli.command import run
from tests.streams.cluster import (
    commit,
    configure,
    create,
    delete_before,
    producing,
    settings,
    write,
)

SAILTHRU = {"SAILTHRU_API_KEY": "sandbox-key", "SAILTHRU_API_SECRET": "sandbox-secret"}
UDC = {
    "ABTASTY_ACCOUNT_ID": "sandbox-account",
    "ABTASTY_PARTNER_NAME": "mparticle",
    "ABTASTY_CLIENT_ID": "sandbox-client",
    "ABTASTY_CLIENT_SECRET": "sandbox-secret",
}
FIREHOSE = {
    "ABTASTY_MODE": "firehose",
    "ABTASTY_ACCOUNT_ID": "4242",
    "ABTASTY_API_KEY": "sandbox-key",
}
SECRETS = ("sandbox-secret", "sandbox-key", "sandbox-token", "wrong-secret")

Said = subprocess.CompletedProcess[str]


async def check(given: Mapping[str, str], *arguments: str) -> Said:
    said = await asyncio.to_thread(run, "check", *arguments, settings=given)
    shown = said.stdout + said.stderr
    assert "Traceback" not in shown
    assert not [secret for secret in SECRETS if secret in shown]
    return said


def lines(said: Said, mark: str) -> list[str]:
    return [line[7:] for line in said.stdout.splitlines() if line.startswith(mark)]


def of(kafka: Kafka, prefix: str) -> Mapping[str, str]:
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_PREFIX": prefix}


@asynccontextmanager
async def service(of_name: str, faults: Iterable[Fault] = ()) -> AsyncIterator[Mapping[str, str]]:
    """A simulated service, and the settings with which it lets one in."""
    simulated: Service = Sailthru() if of_name == "sailthru" else AbTasty()
    simulated.set_faults(faults)
    async with running(simulated.app()) as url:
        yield {
            "sailthru": {**SAILTHRU, "SAILTHRU_BASE_URL": url},
            "udc": {
                **UDC,
                "ABTASTY_BASE_URL": url,
                "ABTASTY_TOKEN_URL": f"{url}/oauth/v2/token",
            },
            "firehose": {**FIREHOSE, "ABTASTY_BASE_URL": url},
        }[of_name]
        if isinstance(simulated, AbTasty):
            state = simulated.state()
            assert (state["rows"], state["audiences"], state["memberships"]) == (0, {}, {})


@pytest.mark.kafka
async def test_a_set_up_that_is_right_is_a_line_each(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=3)
    await create(to)
    said = await check({**of(kafka, prefix), **SAILTHRU, **UDC})
    assert said.returncode == 0, said.stdout
    assert lines(said, "WRONG") == []
    told = lines(said, "ok")
    for topic in all_topics():
        count = "3 partitions" if topic.partitions is None else "1 partition"
        assert f"topic {to.topic(topic.name)} has {count}." in told
    for worker in ("router", "sailthru", "ab-tasty"):
        assert f"worker {worker} may start." in told


@pytest.mark.kafka
async def test_missing_topics_are_named_and_not_made(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix)
    await create(to, [topic for topic in all_topics() if topic is not EVENTS])
    for making in ("false", "true"):
        given = {**of(kafka, prefix), **SAILTHRU, **UDC, "KAFKA_CREATE_TOPICS": making}
        said = await check(given)
        assert said.returncode == (making == "false")
        [line] = [line for line in said.stdout.splitlines() if f"{prefix}events " in line]
        assert "KAFKA_CREATE_TOPICS" in line


@pytest.mark.kafka
async def test_a_topic_that_takes_less_than_raw_messages_have_is_named(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    await configure(to, EVENTS, {"max.message.bytes": "1048588"})
    said = await check({**of(kafka, prefix), **SAILTHRU, **UDC})
    assert said.returncode == 0, said.stdout
    [line] = [line for line in lines(said, "?") if "max.message.bytes" in line]
    assert line.startswith(f"topic {to.topic(EVENTS.name)} takes 1048588 bytes")


@pytest.mark.kafka
async def test_what_is_kept_too_short_or_for_ever_or_once_is_named(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    await configure(to, EVENTS, {"retention.ms": "3600000"})
    await configure(to, USER_UPDATE, {"retention.ms": "-1"})
    said = await check({**of(kafka, prefix), **SAILTHRU, **UDC})
    assert said.returncode == 0, said.stdout
    told = lines(said, "?")
    [once] = [line for line in told if "one replica" in line]
    assert all(to.topic(topic.name) in once for topic in all_topics())
    [short] = [line for line in told if "in an outage is lost" in line]
    assert short.startswith(f"topics {prefix}events: retention.ms=3600000, ")
    [ever] = [line for line in told if "for ever" in line]
    assert ever.startswith(f"topics {prefix}user-update: retention.ms=-1, ")


@pytest.mark.kafka
async def test_only_what_a_destination_has_to_do_with_is_asked_for(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    both = (components.of("router"), components.of("ab-tasty"))
    needed = {topic for rights in both for topic in rights.topics}
    await create(to, [topic for topic in all_topics() if topic in needed])
    said = await check({**of(kafka, prefix), **UDC}, "--destination", "ab-tasty")
    assert said.returncode == 0, said.stdout
    assert "sailthru" not in said.stdout


@pytest.mark.kafka
async def test_a_first_start_that_would_be_refused_says_what_to_set(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    await write(to, RAW, b"{}")
    said = await check({**of(kafka, prefix), **UDC}, "--destination", "ab-tasty")
    assert said.returncode == 1
    [line] = lines(said, "WRONG")
    assert line.startswith("worker router: ")
    assert "KAFKA_INITIAL_OFFSET" in line


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("topic", "told"),
    [
        (SAILTHRU_AUDIENCES, "sailthru: the list of audience 2 is called VIP (2), because VIP is"),
        (AB_TASTY_AUDIENCES, "ab-tasty: the segment of audience 2 is called VIP (2), because VIP"),
    ],
    ids=["sailthru", "ab-tasty"],
)
async def test_audiences_that_are_not_called_as_they_would_be_are_named(
    kafka: Kafka, prefix: str, topic: Topic, told: str
) -> None:
    to = settings(kafka, prefix)
    await create(to)
    first = OwnedName(owned="VIP", audience_id="1")
    second = OwnedName(owned="VIP (2)", audience_id="2", instead_of="VIP")
    await write(to, topic, *(each.model_dump_json().encode() for each in (first, second)))
    said = await check({**of(kafka, prefix), **SAILTHRU, **UDC})
    assert said.returncode == 0, said.stdout
    [line] = [line for line in lines(said, "?") if not line.startswith("topics ")]
    assert line.startswith(told)
    assert "audience 1." in line


@pytest.mark.kafka
async def test_how_far_each_worker_is_behind_and_what_it_has_missed_is_a_line_a_topic(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to)
    raw, updates, events = (to.topic(each.name) for each in (RAW, USER_UPDATE, EVENTS))
    for topic in (RAW, USER_UPDATE):
        await write(to, topic, b"{}", b"{}", b"{}")
    await commit(to, to.group("router"), {(raw, 0): (1, "")})
    # Of the others the group has never heard: they were made later, say.
    await commit(to, to.group("sailthru"), {(updates, 0): (1, ""), (events, 0): (0, "")})
    await delete_before(to, updates, 2)

    given = {**of(kafka, prefix), **SAILTHRU, "KAFKA_INITIAL_OFFSET": "earliest"}
    said = await check(given, "--destination", "sailthru")
    assert said.returncode == 0, said.stdout
    assert f"worker router is 2 records behind in {raw}." in lines(said, "ok")
    assert f"worker sailthru is 0 records behind in {events}." in lines(said, "ok")
    [missed] = [line for line in lines(said, "?") if line.startswith("worker sailthru")]
    assert missed == (
        f"worker sailthru is 1 records behind in {updates}, and Kafka has deleted 1 that it has "
        "not read: see KAFKA_DELETED_RECORDS."
    )


@pytest.mark.kafka
async def test_what_a_worker_knows_when_it_starts_is_as_much_as_kafka_has_kept(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to)
    updates = to.topic(USER_UPDATE.name)
    await write(to, USER_UPDATE, *[b"{}"] * 5)
    await commit(to, to.group("sailthru"), {(updates, 0): (4, "")})
    given = {**of(kafka, prefix), **SAILTHRU, "KAFKA_INITIAL_OFFSET": "earliest"}

    said = await check(given, "--destination", "sailthru")
    knows = "when it starts, worker sailthru knows the last"
    assert f"{knows} 4 records that it has had." in lines(said, "ok")

    await delete_before(to, updates, 3)
    said = await check(given, "--destination", "sailthru")
    [doubt] = [line for line in lines(said, "?") if line.startswith(knows)]
    assert doubt.startswith(f"{knows} 1 records that it has had, as Kafka has not all from before")
    assert doubt.endswith(f"delivered again; keep {updates} for longer (retention.ms).")

    said = await check({**given, "WORKER_DEDUP_MAX_IDS": "1"}, "--destination", "sailthru")
    assert f"{knows} 1 records that it has had." in lines(said, "ok")


@pytest.mark.kafka
async def test_a_clock_that_is_behind_whoever_writes_is_named(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix)
    await create(to)
    name = to.topic(RAW.name)
    async with producing(to) as producer:
        for ahead_s in (0, 1200):
            at_ms = int((time.time() + ahead_s) * 1000)
            await producer.send_and_wait(name, b"{}", partition=1, timestamp_ms=at_ms)
    given = {**of(kafka, prefix), **UDC, "KAFKA_INITIAL_OFFSET": "earliest"}
    said = await check(given, "--destination", "ab-tasty")
    [line] = [line for line in lines(said, "?") if "clock" in line]
    # As many as it was ahead, less what has passed since.
    [ahead_s] = re.findall(rf"^The newest record of {name} is of (\d+) s ahead of this", line)
    assert 900 < int(ahead_s) <= 1200


async def test_what_the_client_says_of_a_connection_is_said_once_and_beside_the_lines() -> None:
    said = await check({**UDC, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    told = [line for line in said.stderr.splitlines() if "127.0.0.1" in line]
    assert told
    assert all(line.startswith("aiokafka: ") for line in told)
    assert len(told) == len(set(told))


async def test_a_kafka_that_is_away_is_named_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(60):
            said = await check({**UDC, "KAFKA_BOOTSTRAP_SERVERS": address})
    assert said.returncode == 1
    assert any(address in line for line in lines(said, "WRONG"))


async def test_wrong_settings_are_said_of_every_group_at_once() -> None:
    said = await check({"SAILTHRU_API_KEY": "k", "KAFKA_TOPIC_PARTITIONS": "none", **FIREHOSE})
    assert said.returncode == 1
    told = "\n".join(lines(said, "WRONG"))
    for name in ("SAILTHRU_API_SECRET", "KAFKA_TOPIC_PARTITIONS", "ABTASTY_BASE_URL"):
        assert name in told
    assert lines(said, "ok") == ["settings WORKER_… are right.", "settings ROUTER_… are right."]


async def test_a_setting_that_is_written_wrongly_is_named_with_the_right_one() -> None:
    said = await check({"KAFKA_BOOTSTRAP_SERVER": "kafka-1.shop.example:9092", **UDC})
    assert (
        "KAFKA_BOOTSTRAP_SERVER is no setting: write KAFKA_BOOTSTRAP_SERVERS, if that is meant."
        in lines(said, "?")
    )
    assert "kafka-1.shop.example" not in said.stdout


NAMES = {"sailthru": "sailthru", "udc": "ab-tasty", "firehose": "ab-tasty"}


@pytest.mark.parametrize("way", NAMES)
async def test_live_says_what_it_proved_and_what_it_did_not(way: str) -> None:
    async with service(way) as given:
        said = await check(given, "--destination", NAMES[way], "--live")
    assert [line for line in lines(said, "ok") if line.startswith(NAMES[way])]
    assert [line for line in lines(said, "?") if line.startswith(f"{NAMES[way]}: Not proved")]
    assert not [line for line in lines(said, "WRONG") if line.startswith(NAMES[way])]


@pytest.mark.parametrize(
    ("way", "wrong", "names"),
    [
        ("sailthru", {"SAILTHRU_API_KEY": "another"}, "SAILTHRU_API_KEY"),
        ("sailthru", {"SAILTHRU_API_SECRET": "wrong-secret"}, "SAILTHRU_API_SECRET"),
        ("sailthru", {"SAILTHRU_BASE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ("udc", {"ABTASTY_CLIENT_SECRET": "wrong-secret"}, "ABTASTY_CLIENT_SECRET"),
        ("udc", {"ABTASTY_TOKEN_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ("udc", {"ABTASTY_AUTH": "none"}, "ABTASTY_CLIENT_ID"),
        ("firehose", {"ABTASTY_API_KEY": "wrong-secret"}, "ABTASTY_API_KEY"),
        ("firehose", {"ABTASTY_PATH_TEMPLATE": "/nowhere"}, "ABTASTY_PATH_TEMPLATE"),
    ],
)
async def test_live_says_what_to_set_when_the_service_refuses(
    way: str, wrong: Mapping[str, str], names: str
) -> None:
    async with service(way) as given:
        said = await check({**given, **wrong}, "--destination", NAMES[way], "--live")
    assert said.returncode == 1
    assert [line for line in lines(said, "WRONG") if NAMES[way] in line and names in line]


async def test_a_visitor_whom_nobody_has_may_be_a_404_and_proves_nothing() -> None:
    unknown = Answer(endpoint="GET segments", status=404)
    async with service("udc", [unknown]) as given:
        said = await check(given, "--destination", "ab-tasty", "--live")
    assert [line for line in lines(said, "?") if "ABTASTY_ACCOUNT_ID" in line]


async def test_a_service_that_is_silent_does_not_hold_the_check() -> None:
    silent = Hang(endpoint="POST firehose")
    async with service("firehose", [silent]) as given:
        said = await check(
            {**given, "ABTASTY_TIMEOUT_S": "0.5"}, "--destination", "ab-tasty", "--live"
        )
    assert [line for line in lines(said, "WRONG") if "timed_out" in line]


async def test_live_names_what_is_wrong_with_a_certificate() -> None:
    certificate = trustme.CA().issue_cert(HOST)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(tls)
    async with running(Sailthru().app(), tls=tls) as url:
        given = {**SAILTHRU, "SAILTHRU_BASE_URL": url}
        said = await check(given, "--destination", "sailthru", "--live")
    assert [line for line in lines(said, "WRONG") if "SAILTHRU_SSL_CAFILE" in line]


@pytest.mark.parametrize("way", ["refuses", "is away"])
async def test_live_names_the_proxy_and_never_its_password(way: str) -> None:
    async with EgressProxy(refuses=407) as proxy:
        port = proxy.port if way == "refuses" else 1
        given = {**SAILTHRU, "SAILTHRU_PROXY": f"http://ann:wrong-secret@{HOST}:{port}"}
        said = await check(given, "--destination", "sailthru", "--live")
    named = "SAILTHRU_PROXY" if way == "refuses" else f"by way of the proxy http://{HOST}:1"
    assert [line for line in lines(said, "WRONG") if named in line]
