"""A list at Sailthru is made once, whoever meets its audience first and whoever dies meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cli.demo.world import WorkerProcess, worker_environment
from models.audience_membership import MembershipChanged
from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.sailthru.factories import membership
from tests.routed import written
from tests.streams.cluster import create, producing, settings

AUDIENCES = [f"Audience {number}" for number in range(20)]
PARTITIONS = 4
USERS = range(40)


def mpid(user: int) -> str:
    return str(10_000 + user)


def address(user: int) -> str:
    return f"user{user}@shop.example"


def changes() -> list[tuple[int, MembershipChanged]]:
    """Each audience has first members in each partition; some users leave one again."""
    joins = [(user, each, True) for each in range(len(AUDIENCES)) for user in USERS]
    leaves = [(user, user % len(AUDIENCES), False) for user in USERS if user % 3 == 0]
    return [
        (
            user,
            membership(
                address(user), joined=joined, audience=AUDIENCES[each], audience_id=str(each)
            ).model_copy(update={"mpid": mpid(user)}),
        )
        for user, each, joined in [*joins, *leaves]
    ]


def members(service: Sailthru) -> Mapping[str, Sequence[str]]:
    state: Any = service.state()
    return {each["keys"]["email"]: sorted(each["lists"]) for each in state["profiles"]}


def lists(service: Sailthru) -> Counter[str]:
    """How many there are of each name."""
    state: Any = service.state()
    return Counter(each["list"] for each in state["lists"])


def expected() -> Mapping[str, Sequence[str]]:
    left = {user: AUDIENCES[user % len(AUDIENCES)] for user in USERS if user % 3 == 0}
    return {
        address(user): sorted(name for name in AUDIENCES if name != left.get(user))
        for user in USERS
    }


class Workers:
    """Processes of one worker, each of which can be killed and started again."""

    def __init__(self, to: KafkaSettings, sailthru: str, directory: Path) -> None:
        self._to = to
        self._sailthru = sailthru
        self._directory = directory
        self._processes: dict[int, WorkerProcess] = {}
        self._ports = dict(zip(range(PARTITIONS), free_ports(), strict=False))

    def start(self, number: int) -> None:
        environment = worker_environment(
            self._to.bootstrap_servers,
            self._ports[number],
            sailthru=self._sailthru,
            ab_tasty="http://127.0.0.1:1",
        )
        ours = {"KAFKA_PREFIX": self._to.prefix, "SAILTHRU_TIMEOUT_S": "2"}
        log = self._directory / f"sailthru-{number}.log"
        self._processes[number] = WorkerProcess("sailthru", log, {**environment, **ours})

    def restart(self, number: int) -> None:
        """Ends it with SIGKILL, and starts another."""
        self._processes.pop(number).kill()
        self.start(number)

    async def ready(self) -> None:
        """Waits until each has partitions."""
        async with aiohttp.ClientSession() as http:
            for port in self._ports.values():
                while not await _is_ready(http, port):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self._processes.values()))


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/ready") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def four_workers(to: KafkaSettings, sailthru: str, directory: Path) -> AsyncIterator[Workers]:
    workers = Workers(to, sailthru, directory)
    try:
        for number in range(PARTITIONS):
            workers.start(number)
        async with asyncio.timeout(60):
            await workers.ready()
        yield workers
    finally:
        await workers.stop()


async def publish(to: KafkaSettings) -> None:
    topic = to.topic(AUDIENCE_MEMBERSHIP.name)
    async with producing(to) as producer:
        sent = [
            await producer.send(
                topic,
                (made := written(change)).value,
                key=made.key,
                partition=user % PARTITIONS,
                headers=made.headers,
            )
            for user, change in changes()
        ]
        await asyncio.gather(*sent)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - other processes decide
            await asyncio.sleep(0.02)


@pytest.mark.kafka
async def test_four_workers_that_meet_twenty_audiences_at_once_and_die_make_each_list_once(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    to = settings(kafka, prefix, partitions=PARTITIONS)
    await create(to)
    # Making a list takes so long that whoever is killed is killed while it is being made.
    service = Sailthru(Options(factor=50, list_creation_delay=0.5))
    async with running(service.app()) as url, four_workers(to, url, tmp_path) as workers:
        await publish(to)
        await until(lambda: service.counts["GET list"].total() > 0)
        workers.restart(0)
        await until(lambda: len(lists(service)) > 0)
        workers.restart(1)
        await until(lambda: members(service) == expected())
    assert lists(service) == Counter(AUDIENCES)
