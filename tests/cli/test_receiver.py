"""`receiver` as a process: what it refuses to start with, what it serves, and how it ends."""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import pytest

from agents.receiver.settings import ReceiverSettings
from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests import zygote
from tests.agents.receiver.served import until
from tests.agents.receiver.slow import SlowPost
from tests.cli.command import COMMAND, SECONDS, environment, run
from tests.compose import SERVICES
from tests.kafka.log import everything
from tests.started_workers import eventually, get, is_listening
from tests.streams.cluster import create, settings

TOKEN = "invented-token-of-mparticle"
BATCH = b'{"mpid": "-7701122334455667788", "events": []}'
NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
SERVICE: Mapping[str, Any] = SERVICES["receiver"]


@contextmanager
def started(
    given: Mapping[str, str], log: Path, before: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A receiver that listens, its port, and that of its pages; `before` is what starts it."""
    port, pages = next(free_ports()), next(free_ports())
    ours = {"RECEIVER_TOKEN": TOKEN, "RECEIVER_PORT": str(port), "WORKER_PORT": str(pages)}
    with (
        log.open("wb") as lines,
        zygote.Popen(
            [*before, *COMMAND, "receiver"],
            env=environment({**ours, **given}),
            stdout=lines,
            stderr=lines,
        ) as process,
    ):
        try:
            eventually(lambda: is_listening(port), process)
            yield process, port, pages
        except AssertionError as error:
            error.add_note(log.read_text()[-2_000:])
            raise
        finally:
            process.kill()


def post(port: int, body: bytes = BATCH, token: str = TOKEN) -> int:
    request = Request(f"http://127.0.0.1:{port}/", body, {"Authorization": f"Token {token}"})
    with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
        return int(answer.status)


def where(cluster: KafkaSettings) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_PREFIX": cluster.prefix,
    }


# What it refuses to start with.


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "Settings are not right: set RECEIVER_TOKEN ("),
        ({"RECEIVER_TOKEN": "short"}, "Settings are not right: RECEIVER_TOKEN: each token needs"),
        (
            {"RECEIVER_TOKEN": TOKEN, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
            "Settings are not right: KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_USERNAME",
        ),
        (
            {"RECEIVER_TOKEN": TOKEN},
            "receiver does not start. Kafka does not answer at 127.0.0.1:1: start it, or set KAF",
        ),
        ({"RECEIVER_AUTHENTICATION": "none"}, "receiver does not start. Kafka does not answer at"),
    ],
)
def test_what_is_wrong_is_one_sentence(given: Mapping[str, str], says: str) -> None:
    done = run("receiver", settings={**NOWHERE, **given})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(says)
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr + done.stdout


@pytest.mark.parametrize("content", ["", "\n", " \r\n\t"])
def test_a_token_file_that_is_empty_does_not_let_everybody_in(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    done = run("receiver", settings={**NOWHERE, "RECEIVER_TOKEN_FILE": str(token)})
    assert done.returncode == 1
    assert done.stderr.startswith("Settings are not right: set RECEIVER_TOKEN (")


@pytest.mark.kafka
async def test_a_receiver_that_asks_for_no_token_says_so_at_start_and_when_asked(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    log = tmp_path / "log"
    with started({**where(cluster), "RECEIVER_AUTHENTICATION": "none"}, log) as (_, port, pages):
        status, body = get(f"http://127.0.0.1:{pages}/ready")
        assert post(port, token="another-token-altogether") == 202
    assert (status, orjson.loads(body)["ready"]) == (200, True)
    [line] = [
        line
        for line in map(orjson.loads, log.read_text().splitlines())
        if line["event"] == "authentication_disabled"
    ]
    assert line["level"] == "warning"
    assert orjson.loads(body)["beware"] == line["detail"]
    assert "whoever reaches RECEIVER_PORT writes to mparticle-raw" in line["detail"]


@pytest.mark.kafka
async def test_a_topic_that_is_missing_is_named(kafka: Kafka, prefix: str) -> None:
    cluster = settings(kafka, prefix)
    done = run("receiver", settings={**where(cluster), "RECEIVER_TOKEN": TOKEN})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"receiver does not start. Create the topic {prefix}mparticle-raw, or set "
        "KAFKA_CREATE_TOPICS=true."
    )


@pytest.mark.kafka
@pytest.mark.parametrize("setting", ["RECEIVER_PORT", "WORKER_PORT"])
async def test_a_port_that_is_taken_is_named(kafka: Kafka, prefix: str, setting: str) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = str(other.getsockname()[1])
        ports = {"RECEIVER_PORT": str(next(free_ports())), "WORKER_PORT": str(next(free_ports()))}
        given = {**where(cluster), **ports, "RECEIVER_TOKEN": TOKEN, setting: taken}
        done = run("receiver", settings=given)
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(f"receiver does not start. 127.0.0.1:{taken} cannot be listened on")
    assert sentence.endswith(f"stop what has it, or set {setting}.")


# What it serves.


@pytest.mark.kafka
async def test_it_serves_its_pages_and_says_nothing_of_what_it_was_sent(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    log = tmp_path / "log"
    given = {**where(cluster), "KAFKA_CREATE_TOPICS": "true", "WORKER_LOG_LEVEL": "debug"}
    with started(given, log) as (process, port, pages):
        assert post(port) == 202
        url = f"http://127.0.0.1:{pages}"
        assert get(f"{url}/live") == (200, b'{"live":true}')
        assert get(f"{url}/ready") == (200, b'{"ready":true,"why_not":null}')
        told = get(f"{url}/metrics")[1].decode()
        assert 'mparticle_streams_receiver_requests_total{outcome="accepted"} 1.0' in told
        assert f"mparticle_streams_receiver_accepted_bytes_total {float(len(BATCH))}" in told
        assert 'mparticle_streams_readiness{state="ready"} 1.0' in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    lines = log.read_text()
    assert {orjson.loads(line)["worker"] for line in lines.splitlines()} == {"receiver"}
    assert TOKEN not in lines
    assert "7701122334455667788" not in lines


@pytest.mark.kafka
async def test_strangers_who_hold_connections_keep_neither_posts_nor_pages_away(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    few = ("/bin/sh", "-c", 'ulimit -n 300; exec "$@"', "sh")
    log = tmp_path / "log"
    with started(where(cluster), log, few) as (_, port, pages), ExitStack() as strangers:
        for of in (port, pages):
            for _ in range(320):
                line = socket.create_connection(("127.0.0.1", of), SECONDS)
                strangers.enter_context(closing(line))
                line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert await asyncio.to_thread(post, port) == 202
        told = get(f"http://127.0.0.1:{pages}/metrics")[1].decode()
        assert 'connections_rejected_total{port="posts",reason="evicted"} ' in told
        assert get(f"http://127.0.0.1:{pages}/live")[0] == 200
    assert log.stat().st_size < 10_000


def test_compose_gives_it_what_it_needs_and_only_settings_that_there_are() -> None:
    given = SERVICE["environment"]
    for variable in given:
        if variable.startswith("RECEIVER_"):
            assert variable.removeprefix("RECEIVER_").lower() in ReceiverSettings.model_fields
    receiver = ReceiverSettings(token=given["RECEIVER_TOKEN"], host=given["RECEIVER_HOST"])
    ports = (receiver.port, given["WORKER_PORT"])
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    assert SERVICE["command"] == ["receiver"]


@pytest.mark.kafka
async def test_the_sandbox_posts_as_mparticle_and_says_what_it_lost(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    given = {**where(cluster), "RECEIVER_REGISTRATION": '{"name": "Streams", "version": "1.0"}'}
    with started(given, tmp_path / "log") as (_, port, _):
        url = f"http://127.0.0.1:{port}"
        production = ("--environment", "production")
        words = ("sandbox", "mparticle", *production, "--messages", "200")
        write = (*words, "--token", TOKEN, "--post")
        posted = await asyncio.to_thread(run, *write, f"{url}/")
        assert posted.stdout == f"200 messages posted to {url}/, 0 tried again\n"
        assert posted.returncode == 0
        elsewhere = await asyncio.to_thread(run, *write, f"{url}/elsewhere")
        assert elsewhere.returncode == 1
        assert "Lost, as mParticle would have lost them: 200 with 404." in elsewhere.stderr
    assert len(await everything(cluster, RAW)) == 200


# How it ends.


@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_told_to_stop_it_answers_what_is_under_way_and_takes_nothing_new(
    kafka: Kafka, prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster, [RAW])
    with started(where(cluster), tmp_path / "log") as (process, port, pages):
        under_way = [await SlowPost.begin(port, 1_000) for _ in range(5)]
        held = f"mparticle_streams_receiver_in_flight_bytes {5 * 64 * 1024}.0"
        eventually(lambda: held in get(f"http://127.0.0.1:{pages}/metrics")[1].decode(), process)
        process.send_signal(number)
        await until(lambda: not is_listening(port))
        assert process.poll() is None
        for each in under_way:
            await each.end()
        assert [await each.answer() for each in under_way] == [202] * 5
        assert await asyncio.to_thread(process.wait, SECONDS) == 0
    assert len(await everything(cluster, RAW)) == 5
