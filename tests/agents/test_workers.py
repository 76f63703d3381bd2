"""The workers as processes: what they refuse, what they serve, how they end."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest

from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from streams.topics import RAW
from tests import zygote
from tests.cli.command import COMMAND, FAUST, SECONDS, environment, run
from tests.streams.cluster import create, settings, write

Settings = Mapping[str, str]
Way = Callable[[str], Sequence[str]]

SAILTHRU = {"SAILTHRU_API_KEY": "0a1b2c3d4e5f", "SAILTHRU_API_SECRET": "not-a-real-secret"}
AB_TASTY = {
    "ABTASTY_ACCOUNT_ID": "our-account",
    "ABTASTY_PARTNER_NAME": "mparticle",
    "ABTASTY_CLIENT_ID": "our-client",
    "ABTASTY_CLIENT_SECRET": "not-a-real-secret",
}
ENOUGH: Mapping[str, Settings] = {"router": {}, "sailthru": SAILTHRU, "ab-tasty": AB_TASTY}


def by_command(worker: str) -> Sequence[str]:
    return (*COMMAND, "worker", worker)


def by_faust(worker: str) -> Sequence[str]:
    return (*FAUST, "-A", f"agents.{worker.replace('-', '_')}.app", "worker")


# Agents.


@pytest.mark.parametrize(
    ("app", "agents"),
    [
        ("router", {"mparticle_raw": "mparticle-raw"}),
        (
            "sailthru",
            {
                "user_update": "user-update",
                "events": "events",
                "audience_membership": "audience-membership",
            },
        ),
        ("ab_tasty", {"audience_membership": "audience-membership"}),
    ],
)
def test_faust_lists_the_agents_with_their_topics(app: str, agents: Mapping[str, str]) -> None:
    given = {**SAILTHRU, **AB_TASTY, "KAFKA_PREFIX": "eu-"}
    listed = run("-A", f"agents.{app}.app", "agents", of=FAUST, settings=given)
    found = re.findall(r"^\| @(\w+) +\| eu-(\S+) ", listed.stdout, re.MULTILINE)
    assert dict(found) == agents


# Settings.


@pytest.mark.parametrize(
    ("worker", "wrong", "says"),
    [
        ("router", {"ROUTER_SNAPSHOTS": "sometimes"}, "ROUTER_SNAPSHOTS: "),
        ("router", {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME and"),
        ("sailthru", {"SAILTHRU_IDENTITY_KEY": "extid"}, "set SAILTHRU_EXTID_FROM"),
        ("ab-tasty", {"ABTASTY_API_KEY_FILE": "/no/such/file"}, "ABTASTY_API_KEY_FILE names"),
    ],
)
def test_wrong_setting_ends_the_worker_with_one_sentence(
    worker: str, wrong: Settings, says: str
) -> None:
    done = run(of=by_command(worker), settings={**ENOUGH[worker], **wrong})
    _ends_with_one_sentence(done, says)


@pytest.mark.parametrize(
    ("worker", "says"),
    [("sailthru", "set SAILTHRU_API_KEY ("), ("ab-tasty", "set ABTASTY_ACCOUNT_ID")],
)
def test_missing_settings_end_faust_with_one_sentence(worker: str, says: str) -> None:
    _ends_with_one_sentence(run(of=by_faust(worker)), says)


def _ends_with_one_sentence(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 1
    [sentence] = (done.stdout + done.stderr).splitlines()
    assert sentence.startswith("Settings are not right: ")
    assert says in sentence
    assert sentence.endswith(".")
    assert "not-a-real-secret" not in sentence


# Kafka.


@pytest.mark.parametrize(
    ("worker", "way"),
    [
        ("router", by_faust),
        ("router", by_command),
        ("sailthru", by_command),
        ("ab-tasty", by_command),
    ],
)
def test_kafka_that_is_away_is_named_and_not_waited_for(worker: str, way: Way) -> None:
    """With the worker's own settings and none of another's."""
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = run(of=way(worker), settings={**ENOUGH[worker], **nowhere})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{worker} does not start. Kafka does not answer at 127.0.0.1:1: "
        "start it, or set KAFKA_BOOTSTRAP_SERVERS."
    )
    assert "Traceback" not in done.stderr


@pytest.mark.kafka
async def test_group_without_offsets_refuses_a_topic_that_is_not_empty(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    await write(cluster, RAW, b"{}")
    done = run(of=by_command("router"), settings=_where(kafka, prefix))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"router does not start. The group {prefix}mparticle-streams-router has no offsets and its "
        "topics are not empty: set KAFKA_INITIAL_OFFSET to earliest, latest, or a time to begin at."
    )
    assert "Traceback" not in done.stderr


@pytest.mark.kafka
async def test_started_worker_serves_its_pages_and_ends_well_when_told(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    await write(cluster, RAW, b"{", b'{"type": "event_processing_response"}')
    where = {**_where(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with _started(by_faust("router"), where) as (process, url):
        _eventually(lambda: _get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        assert orjson.loads(_get(f"{url}/ready")[1]) == {"ready": True, "why_not": None}
        assert _get(f"{url}/live") == (HTTPStatus.OK, b'{"live":true}')
        _eventually(lambda: _ended(url) == {"not_json": 1, "response": 1}, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    # A second start needs no word of where to begin: the first one committed.
    with _started(by_command("router"), _where(kafka, prefix)) as (process, url):
        _eventually(lambda: _get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        assert _ended(url) == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def _where(kafka: Kafka, prefix: str) -> Settings:
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_PREFIX": prefix}


@contextmanager
def _started(
    command: Sequence[str], given: Settings
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = next(free_ports())
    with zygote.Popen(
        command,
        env=environment({**given, "WORKER_PORT": str(port)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _eventually(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert process.poll() is None, "the worker ended by itself"
        assert time.monotonic() < deadline, "the worker never gets there"
        time.sleep(0.1)


def _get(url: str) -> tuple[int, bytes]:
    """Status and body; 0 while nobody listens."""
    try:
        with urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - http
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def _ended(url: str) -> Mapping[str, int]:
    """How many messages of the router's ended without a record, by reason."""
    _, page = _get(f"{url}/metrics")
    counted = re.findall(
        r'^mparticle_streams_(?:dead_letters|records_dropped)_total\{.*reason="(\w+)".*\} (\d+)',
        page.decode(),
        re.MULTILINE,
    )
    return {reason: int(count) for reason, count in counted}
