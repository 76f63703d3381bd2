"""The workers as processes: what they refuse, what they serve, how they end."""

import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import orjson
import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.cli.command import FAUST, SECONDS, run
from tests.started_workers import (
    AB_TASTY,
    ENOUGH,
    SAILTHRU,
    Settings,
    at_kafka,
    by_command,
    by_faust,
    eventually,
    get,
    serving,
)
from tests.streams.cluster import create, settings, write

Way = Callable[[str], Sequence[str]]

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
    done = run(of=by_command("router"), settings=at_kafka(kafka, prefix))
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
    where = {**at_kafka(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with serving(by_faust("router"), where) as (process, url):
        eventually(lambda: get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        assert orjson.loads(get(f"{url}/ready")[1]) == {"ready": True, "why_not": None}
        assert get(f"{url}/live") == (HTTPStatus.OK, b'{"live":true}')
        eventually(lambda: _ended(url) == {"not_json": 1, "response": 1}, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    # A second start needs no word of where to begin: the first one committed.
    with serving(by_command("router"), at_kafka(kafka, prefix)) as (process, url):
        eventually(lambda: get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        assert _ended(url) == {}
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def _ended(url: str) -> Mapping[str, int]:
    """How many messages of the router's ended without a record, by reason."""
    _, page = get(f"{url}/metrics")
    counted = re.findall(
        r'^mparticle_streams_(?:dead_letters|records_dropped)_total\{.*reason="(\w+)".*\} (\d+)',
        page.decode(),
        re.MULTILINE,
    )
    return {reason: int(count) for reason, count in counted}
