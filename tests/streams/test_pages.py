"""What /live and /ready say of a worker that is well, and of each that is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError
from faust.types import TP

from sandbox.ports import free_ports
from streams import metrics
from streams.engine.added_partitions import AddedPartitions
from streams.engine.held_partitions import Hold
from streams.kafka.commit_metadata import Progress, Sight
from streams.kafka.pending_writes import PendingWrites
from streams.kafka.unavailable import UNAVAILABLE
from streams.outcomes import Blocked
from streams.worker import readiness
from streams.worker.app import App
from tests.counted import value
from tests.streams.engine.scripted import HERE, Kafka, Work
from tests.streams.engine.unstarted import consumer_of, router_app
from tests.streams.leaders import Cluster

Client = TestClient[Request, Application]


class Worker:
    """One that was assigned `HERE`, as far as its pages can tell."""

    def __init__(self) -> None:
        self.app: App = router_app()
        self.kafka = Kafka()
        self.work = Work()
        self.consumer = consumer_of(self.kafka, self.work, {HERE}, self.app)

    async def take_over(self) -> None:
        await self.consumer.take_over(frozenset({HERE}), 1)
        self.app.rebalancing = False


@pytest.fixture(autouse=True)
def writes_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PENDING", PendingWrites(late_after_s=0.0))


@pytest.fixture
async def worker() -> Worker:
    return Worker()


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[Client]:
    worker.app.web.init_server()
    web: Any = worker.app.web
    async with TestClient(TestServer(web.web_app)) as client:
        yield client


def nothing(_worker: Worker) -> None:
    pass


def rebalances(worker: Worker) -> None:
    worker.app.rebalancing = True


def may_not_join(worker: Worker) -> None:
    worker.consumer.join_refused(GroupAuthorizationFailedError("router"))


def is_locked_out(worker: Worker) -> None:
    worker.consumer.access.locked_out = "Kafka refuses the login by PLAIN: set KAFKA_SASL_PASSWORD."


def is_behind_the_log(worker: Worker) -> None:
    worker.consumer.deleted_records.holds(HERE, 3, 8)


def cannot_unpack(worker: Worker) -> None:
    worker.consumer.holds[HERE] = Hold("unreadable", "the batch at offset 3 cannot be unpacked")


def has_lost_a_leader(worker: Worker) -> None:
    worker.consumer.unavailable[HERE] = "LeaderNotAvailableError"


def hears_nothing_of_kafka(worker: Worker) -> None:
    now = worker.consumer.lease.clock()
    worker.consumer.lease.clock = lambda: now + 3600


def cannot_write(_worker: Worker) -> None:
    module: Any = readiness
    module.PENDING.begin("events", 0, Cluster({0: None}))


def reads_its_past(worker: Worker) -> None:
    worker.consumer.partitions[HERE].started = False


def is_blocked(worker: Worker) -> None:
    worker.work.blocked = Blocked("bad_key", "Set the key.")


def is_limited(worker: Worker) -> None:
    worker.work.limited = "the shop asked to send nothing to user for 300 s more"


STATES: dict[str, tuple[Callable[[Worker], None], str | None]] = {
    "ready": (nothing, None),
    "no_partitions": (rebalances, "no partitions assigned"),
    "authentication_failed": (
        is_locked_out,
        "authentication_failed: Kafka refuses the login by PLAIN: set",
    ),
    "kafka_refused": (may_not_join, "have its user granted Read on the group router"),
    "records_deleted": (is_behind_the_log, "offset 3 is next, Kafka has from 8 on"),
    "unreadable": (cannot_unpack, "the batch at offset 3 cannot be unpacked"),
    "partitions_unavailable": (has_lost_a_leader, "mparticle-raw-0 (LeaderNotAvailableError)"),
    "kafka_unreachable": (hears_nothing_of_kafka, "look at the brokers"),
    "writes_wait": (cannot_write, "taken nothing of events-0 for 0 s: it has no leader"),
    "starting": (reads_its_past, "reads back what has ended"),
    "blocked": (is_blocked, "bad_key: Set the key."),
    "limited": (is_limited, "the shop asked to send nothing to user for 300 s more"),
}


@pytest.mark.parametrize("state", STATES)
async def test_ready_says_whether_records_flow_and_why_not(
    worker: Worker, client: Client, state: str
) -> None:
    becomes, why_not = STATES[state]
    await worker.take_over()
    becomes(worker)
    ready, page = await client.get("/ready"), await client.get("/metrics")
    said = await ready.json()

    assert ready.status == (HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK)
    assert said["ready"] is (why_not is None)
    assert (why_not or "") in (said["why_not"] or "")
    assert f'mparticle_streams_readiness{{state="{state}"}} 1.0' in await page.text()


async def test_a_partition_of_a_table_is_named_beside_those_of_the_worker(
    worker: Worker, client: Client
) -> None:
    await worker.take_over()
    has_lost_a_leader(worker)
    with UNAVAILABLE.naming() as waits:
        waits[TopicPartition("audiences", 2)] = "LeaderNotAvailableError"
        said = await (await client.get("/ready")).json()
        assert "(LeaderNotAvailableError), audiences-2 (LeaderNotAvailableError)" in said["why_not"]
    said = await (await client.get("/ready")).json()
    assert "audiences" not in said["why_not"]


async def test_partitions_that_were_added_are_named_while_they_wait_for_their_turn(
    worker: Worker, client: Client
) -> None:
    await worker.take_over()
    added = TP(HERE.topic, 7)
    worker.consumer.added = AddedPartitions(
        [HERE, added], {HERE: Progress(0, sight=Sight(1))}, [added]
    )
    said = await (await client.get("/ready")).json()
    assert said["why_not"].startswith("starting: mparticle-raw-7 were added, and wait until")

    is_blocked(worker)
    said = await (await client.get("/ready")).json()
    assert said["why_not"] == "bad_key: Set the key."


async def test_a_worker_that_was_given_nothing_is_live_and_not_ready(client: Client) -> None:
    """More workers than partitions: one stands by, and nothing is gained by ending it."""
    ready, live = await client.get("/ready"), await client.get("/live")

    assert ready.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert live.status == HTTPStatus.OK


async def test_a_worker_whose_only_partition_is_held_says_so(
    worker: Worker, client: Client
) -> None:
    worker.kafka.start, worker.kafka.first = Progress(3), 8
    await worker.take_over()
    ready = await client.get("/ready")

    assert "offset 3 is next" in (await ready.json())["why_not"]


def test_every_state_has_its_case() -> None:
    assert set(STATES) == set(metrics.READY_STATES)


async def test_a_workers_pages_have_the_door_that_the_receivers_ports_have(worker: Worker) -> None:
    app: Any = worker.app
    app.conf.web_port = next(free_ports())
    turned_away = metrics.TURNED_AWAY.labels(port="pages", reason="malformed")
    before = value(turned_away)
    app.web.init_server()
    await app.web.start_server()
    try:
        for said, answer in ((b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n", 200), (b"?\r\n\r\n", 400)):
            reader, writer = await asyncio.open_connection("127.0.0.1", app.conf.web_port)
            writer.write(said)
            assert int((await reader.readline()).split()[1]) == answer
            writer.close()
    finally:
        await app.web.stop_server()
    assert value(turned_away) == before + 1
