"""A third destination is a folder and nothing else: the example is one, known to all commands."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from examples.webhook.client import classify
from examples.webhook.mapping import body
from examples.webhook.settings import WebhookSettings
from examples.webhook.sink import WebhookSink
from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from sandbox.server import running
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import LaneKey, Placement, Sink
from streams.http import UNREACHABLE
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)
from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests import zygote
from tests.cli.command import SECONDS, environment, run
from tests.streams.cluster import create, producing, settings
from tests.streams.records import event, event_source

# What `mparticle-streams` does, with the example beside the destinations' folders.
WITH_FOLDER = (sys.executable, "-m", "tests.examples")
MESSAGE = orjson.dumps(
    {
        "mpid": "42",
        "events": [{"event_type": "custom_event", "data": {"event_name": "waved"}}],
    }
)
TOKEN = "not-a-real-token"


class Hook:
    """Whoever listens at WEBHOOK_URL: keeps what it took, and refuses events of some names."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.taken: list[tuple[str, str]] = []
        """User and name of each event, in the order in which they took effect."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        records: list[dict[str, Any]] = await request.json()
        if any(each["name"] in self.refuses for each in records):
            return web.Response(status=422, text=f"not this one: {records}")
        self.taken += [(each["mpid"], each["name"]) for each in records]
        return web.Response(status=202)

    def of(self, user: str) -> list[str]:
        return [name for whose, name in self.taken if whose == user]


# What it is on its own, in this process.


@pytest.mark.parametrize(
    ("status", "given", "outcome"),
    [
        (200, {}, Delivered()),
        (202, {}, Delivered()),
        (400, {}, Rejected("refused", "HTTP 400")),
        (422, {}, Rejected("refused", "HTTP 422")),
        (413, {}, Rejected("too_large", "HTTP 413")),
        (408, {}, RetryRecord("http_408")),
        (429, {"Retry-After": "7"}, Throttled("http_429", 7.0)),
        (500, {"Retry-After": "7"}, RetryRecord("http_500", 7.0)),
        (503, {}, RetryRecord("http_503")),
        (503, {"Retry-After": "7"}, Unavailable("http_503", 7.0)),
    ],
)
def test_an_answer_has_one_meaning(status: int, given: Mapping[str, str], outcome: Outcome) -> None:
    assert classify(status, given) == outcome


@pytest.mark.parametrize(
    ("status", "setting"), [(401, "WEBHOOK_TOKEN"), (403, "WEBHOOK_TOKEN"), (404, "WEBHOOK_URL")]
)
def test_what_a_person_must_mend_names_the_setting(status: int, setting: str) -> None:
    outcome = classify(status, {})
    assert isinstance(outcome, Misconfigured)
    assert setting in outcome.what_to_do


async def test_one_request_carries_a_users_records_in_their_order_and_no_more_than_may_be() -> None:
    hook = Hook()
    async with running(hook.app()) as url:
        sink = WebhookSink(WebhookSettings(url=url, token=TOKEN, batch_records=2))
        waiting = [event("17", name, name) for name in ("waved", "left", "came back")]
        lanes = {sink.place(each, Placement("17", 0), 0) for each in waiting}
        assert lanes == {LaneKey("post", "17")}
        async with sink.session(Pacer(sink.limits)):
            batch = sink.fold(lanes.pop(), waiting)
            assert (batch.size, await sink.send(batch.request)) == (2, Delivered())

    assert hook.of("17") == ["waved", "left"]


async def test_an_address_that_nobody_listens_at_is_waited_for() -> None:
    sink = WebhookSink(WebhookSettings(url="http://127.0.0.1:1"))
    async with sink.session(Pacer(sink.limits)):
        assert await sink.send(body([])) == UNREACHABLE


def test_a_sink_that_forgets_what_the_contract_asks_for_is_not_made() -> None:
    class Forgetful(Sink[str]):
        destination = "forgetful"

    with pytest.raises(TypeError) as error:
        Forgetful()  # type: ignore[abstract]  # what the test is about
    # Each Python quotes and joins them in a way of its own.
    asked = {"fold", "limits", "place", "send", "session", "topics"}
    assert asked <= set(re.findall(r"\w+", str(error.value)))


# What the commands make of it.


def test_its_settings_are_listed_and_its_worker_is_one() -> None:
    listed = run("settings", "--markdown", of=WITH_FOLDER)
    assert "| `WEBHOOK_TOKEN` |  | sent as a bearer token, where it is set |" in listed.stdout
    assert "| `SAILTHRU_API_KEY` |" in listed.stdout
    assert "webhook" in run("worker", "--help", of=WITH_FOLDER).stdout


def test_its_requests_are_explained() -> None:
    explained = run("explain", "--destination", "webhook", of=WITH_FOLDER, given=MESSAGE)
    assert explained.returncode == 0, explained.stderr
    shown = orjson.loads(explained.stdout)
    assert [each["name"] for each in shown["body"]] == ["waved"]
    assert len(shown["records"]) == 1


def test_its_rights_and_what_is_done_with_its_group_are_listed() -> None:
    listed = run("rights", of=WITH_FOLDER).stdout
    found = {line.split("`")[1] for line in listed.splitlines() if line.count("`")}
    assert {"webhook", "replay-webhook", "leave-webhook", "sailthru", "fill"} <= found
    assert "--topic rate-limits" in run("rights", "webhook-dry-run", of=WITH_FOLDER).stdout


def test_its_worker_says_which_setting_it_lacks() -> None:
    done = run("worker", "webhook", of=WITH_FOLDER)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "set WEBHOOK_URL (" in done.stderr


def test_without_its_folder_it_is_unknown() -> None:
    unknown = run("explain", "--destination", "webhook")
    assert unknown.returncode == 2
    assert "'sailthru'" in unknown.stderr
    assert "'ab-tasty'" in unknown.stderr


# What it does on a Kafka.


class Deployment:
    """The webhook's workers and commands on one cluster."""

    def __init__(self, cluster: KafkaSettings, url: str) -> None:
        self._cluster = cluster
        self._given = {
            "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
            "KAFKA_PREFIX": cluster.prefix,
            "KAFKA_INITIAL_OFFSET": "earliest",
            "WEBHOOK_URL": url,
            "WEBHOOK_TOKEN": TOKEN,
        }

    async def write(self, *events: tuple[str, str]) -> None:
        """Events as the router writes them."""
        async with producing(self._cluster) as producer:
            for number, (user, name) in enumerate(events):
                made = event_source(user, name, number)
                await producer.send_and_wait(
                    self._cluster.topic(EVENTS.name),
                    made.value,
                    key=made.key,
                    headers=list(made.headers),
                )

    async def says(self, *arguments: str) -> str:
        done = await asyncio.to_thread(run, *arguments, of=WITH_FOLDER, settings=self._given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @asynccontextmanager
    async def working(self, *options: str) -> AsyncIterator[str]:
        """Runs a worker, yields its pages' address, and has it end well."""
        port = next(free_ports())
        with zygote.Popen(
            [*WITH_FOLDER, "worker", "webhook", *options],
            env=environment({**self._given, "WORKER_PORT": str(port)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield f"http://127.0.0.1:{port}"
                process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, SECONDS) == 0
            finally:
                process.kill()


async def delivered(url: str) -> int:
    """How many records a worker says it has delivered."""
    try:
        async with ClientSession() as session, session.get(f"{url}/metrics") as answer:
            assert answer.status == HTTPStatus.OK
            page = await answer.text()
    except OSError:
        return 0
    name = "mparticle_streams_deliveries_total{"
    counts = [line.rsplit(" ", 1)[1] for line in page.splitlines() if line.startswith(name)]
    return int(sum(map(float, counts)))


async def eventually(reached: Any) -> None:
    async with asyncio.timeout(2 * SECONDS):
        while not await reached():  # noqa: ASYNC110 - it asks other processes
            await asyncio.sleep(0.04)


@pytest.mark.kafka
async def test_it_is_worked_checked_dry_run_redriven_and_replayed_as_the_others_are(
    kafka: Kafka, prefix: str
) -> None:
    cluster, hook = settings(kafka, prefix), Hook()
    hook.refuses = {"swore"}
    await create(cluster)

    async def has(user: str, *names: str) -> bool:
        return hook.of(user) == list(names)

    async with running(hook.app()) as url:
        there = Deployment(cluster, url)
        await there.write(("17", "waved"), ("17", "swore"), ("17", "left"), ("18", "waved"))
        async with there.working() as _, there.working("--dry-run") as dry:
            await eventually(lambda: has("17", "waved", "left"))
            await eventually(lambda: has("18", "waved"))
            # All of them: whoever sends nothing is refused nothing.
            await eventually(lambda: is_four(dry))
            assert "worker webhook may start" in await there.says(
                "check", "--destination", "webhook"
            )
            listed = await there.says("dead-letters", "list", "--destination", "webhook")
            hook.refuses.clear()
            await there.says("dead-letters", "redrive", "--destination", "webhook", "--execute")
            await eventually(lambda: has("17", "waved", "left", "swore"))
        assert "refused" in listed

        hook.taken.clear()
        await there.says("replay", "webhook", "--to", "earliest", "--execute")
        async with there.working():
            await eventually(lambda: has("18", "waved"))
            await eventually(lambda: has("17", "waved", "swore", "left", "swore"))


async def is_four(url: str) -> bool:
    return await delivered(url) == 4
