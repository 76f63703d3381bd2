"""`sandbox PART`: starts, says where it is, and leaves nothing behind."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import orjson
import pytest

from agents.router.routing import route
from agents.router.settings import RouterSettings
from cli.demo.lag import Lag
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams.topics import RAW
from tests import zygote
from tests.cli.command import COMMAND, SECONDS, environment, run
from tests.cli.messages import invoke
from tests.streams.cluster import settings

SERVICES = ["sailthru", "ab-tasty"]
MESSAGES = 300
PRODUCTION = ("--environment", "production")
NOW_MS = 1_790_000_000_000


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A part that runs, and the address that it printed."""
    with zygote.Popen(
        [*COMMAND, "sandbox", *arguments], env=environment({}), stdout=subprocess.PIPE
    ) as part:
        assert part.stdout is not None
        try:
            yield part, part.stdout.readline().decode().strip()
        finally:
            part.kill()


def is_listening(address: str) -> bool:
    url = urlsplit(address)
    with closing(socket.socket()) as probe:
        return probe.connect_ex((url.hostname, url.port)) == 0


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_service_answers_where_it_says_until_it_is_told_to_stop(
    service: str, number: signal.Signals
) -> None:
    with started(service) as (part, address):
        with urlopen(f"{address}/_sandbox/state", timeout=SECONDS) as answer:  # noqa: S310 - http
            assert isinstance(json.load(answer), dict)
        part.send_signal(number)
        assert part.wait(SECONDS) == 0
        assert not is_listening(address)


@pytest.mark.parametrize("service", SERVICES)
def test_faults_are_played(service: str, tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"action": "answer", "status": 503, "headers": {"Retry-After": "7"}}]')
    with started(service, "--faults", str(script)) as (_, address):
        anything = Request(f"{address}/anything")  # noqa: S310 - http
        with pytest.raises(HTTPError) as refused, urlopen(anything, timeout=SECONDS):  # noqa: S310 - http
            pass
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "7")
        refused.value.close()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("[", "JSON"),
        ('[{"action": "explode"}]', "explode"),
        ('[{"action": "answer"}]', "status"),
        ('[{"action": "reset", "endpoint": "POST nothing"}]', "no endpoint 'POST nothing'"),
    ],
)
def test_faults_that_cannot_be_played_are_an_error(script: str, says: str) -> None:
    result = invoke("sandbox", "sailthru", "--faults", "-", given=script.encode())
    assert result.exit_code == 2
    assert "--faults" in result.stderr
    assert says in result.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_port_that_is_taken_is_an_error_that_names_it(service: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run("sandbox", service, "--port", address.rpartition(":")[2])
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {address} ")
    assert len(done.stderr.splitlines()) == 1


# mParticle.


def test_printed_messages_go_through_route_one_a_line() -> None:
    with subprocess.Popen(  # noqa: S603 - our own words, and no shell
        [*COMMAND, "sandbox", "mparticle", "--print", *PRODUCTION, "--messages", str(MESSAGES)],
        env=environment({}),
        stdout=subprocess.PIPE,
    ) as mparticle:
        routed = subprocess.run(  # noqa: S603 - as above
            [*COMMAND, "route", "--lines", "-"],
            env=environment({}),
            stdin=mparticle.stdout,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    assert mparticle.returncode == 0
    # Some of what mParticle sends is broken on purpose.
    assert routed.returncode == 1
    read = re.match(rb"messages (\d+): records ", routed.stderr)
    # A message without a byte is an empty line, which is none.
    assert read is not None
    assert 0 <= MESSAGES - int(read[1]) < 5
    ends = [next(iter(orjson.loads(line))) for line in routed.stdout.splitlines()]
    assert {"topic", "dropped", "dead_letter"} == set(ends)


def printed(*options: str) -> list[bytes]:
    result = invoke("sandbox", "mparticle", "--print", "--messages", "1000", *options)
    assert result.exit_code == 0
    return result.stdout_bytes.split(b"\n")


def environments(messages: Iterable[bytes]) -> set[str]:
    """Those of all records that the router makes of messages."""
    at = RawPosition(topic=RAW.name, partition=0, offset=0, index=0)
    return {
        out.head.environment
        for message in messages
        for out in route(message, at, NOW_MS, RouterSettings()).outs
    }


def test_invented_messages_are_development_data_unless_asked() -> None:
    """Whoever tries a receiver or a Kafka with them has real accounts behind it."""
    assert environments(printed()) == {"development"}
    assert "production" in environments(printed("--environment", "production"))


@pytest.mark.parametrize("destination", ["sailthru", "ab-tasty"])
def test_nothing_is_sent_of_invented_messages_unless_asked(destination: str) -> None:
    given = b"\n".join(printed())
    said = invoke("explain", "--destination", destination, "--lines", "-", given=given)
    assert "dropped" in said.stdout
    assert '"method"' not in said.stdout


def test_what_says_no_environment_is_left_out_and_said() -> None:
    said = invoke("sandbox", "mparticle", "--print", "--messages", "100")
    left = re.search(r"(\d+) of 100 messages are left out", said.stderr)
    assert left is not None
    assert int(left[1]) == 100 - len(said.stdout.splitlines())
    assert "--environment production" in said.stderr


def test_a_ledger_is_of_messages_that_are_delivered() -> None:
    said = invoke("sandbox", "mparticle", "--print", "--ledger", "ledger.json")
    assert said.exit_code == 2
    assert "--environment production" in said.stderr


def test_same_seed_gives_the_same_ledger(tmp_path: Path) -> None:
    ledgers = [tmp_path / name for name in ("one", "two", "other")]
    for ledger, seed in zip(ledgers, "112", strict=True):
        options = ["--messages", "50", "--seed", seed, "--ledger", str(ledger)]
        assert invoke("sandbox", "mparticle", "--print", *PRODUCTION, *options).exit_code == 0
    one, two, other = (orjson.loads(ledger.read_bytes())["profiles"] for ledger in ledgers)
    assert one.keys() == two.keys()
    assert one != other


@pytest.mark.parametrize("option", ["--messages", "--users"])
@pytest.mark.parametrize("command", [("sandbox", "mparticle", "--print"), ("demo",)])
def test_nothing_and_nobody_is_no_traffic(command: tuple[str, ...], option: str) -> None:
    result = invoke(*command, option, "0")
    assert result.exit_code == 2
    assert option in result.stderr


def test_kafka_that_is_away_is_named_in_one_sentence() -> None:
    done = run("sandbox", "mparticle", settings={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert done.returncode == 1
    assert done.stderr == (
        "Error: Kafka does not answer at 127.0.0.1:1: start it, or set KAFKA_BOOTSTRAP_SERVERS.\n"
    )


@pytest.mark.kafka
async def test_messages_are_written_to_the_raw_topic(kafka: Kafka, prefix: str) -> None:
    where = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_PREFIX": prefix}
    write = ("sandbox", "mparticle", *PRODUCTION, "--messages", str(MESSAGES))
    without_topics = run(*write, settings=where)
    assert without_topics.returncode == 1
    assert f"{prefix}mparticle-raw" in without_topics.stderr
    assert "KAFKA_CREATE_TOPICS" in without_topics.stderr

    written = run(*write, settings={**where, "KAFKA_CREATE_TOPICS": "true"})
    assert written.stdout == f"{MESSAGES} messages written to {kafka.bootstrap}\n"
    async with Lag.open(settings(kafka, prefix)) as lag:
        assert sum((await lag.ends([RAW.name])).values()) == MESSAGES


@pytest.mark.parametrize("url", ["http://ann:a-password@127.0.0.1:8080/", "ftp://ann:a-password@x"])
def test_posting_takes_no_password_in_a_url_and_does_not_repeat_it(url: str) -> None:
    said = invoke("sandbox", "mparticle", "--messages", "1", "--post", url)
    assert said.exit_code == 2
    assert "without user and password" in said.output
    assert "a-password" not in said.output
