"""A backlog of user-updates, a simulated Sailthru, and command and worker as processes."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka.protocol.group import LeaveGroupRequest

from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from agents.sailthru.fill.exclusive_group import SUFFIX
from cli.demo.lag import Lag
from cli.demo.run import READS
from cli.demo.world import WorkerProcess, worker_environment
from models.record import RawPosition
from sandbox.kafka import Kafka
from sandbox.mparticle import generate
from sandbox.ports import free_ports
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.kafka.clients import admin
from streams.kafka.commit_metadata import NOTHING_SEEN, Progress, decode
from streams.settings import KafkaSettings
from streams.topics import USER_UPDATE
from tests import zygote
from tests.cli.command import COMMAND, environment, run
from tests.routed import outgoing
from tests.streams.cluster import assigned, create, producing, settings

PARTITIONS = 2
NOW_MS = 1_767_225_600_000
JOBS = "POST job"
CALLS = "POST user"


@cache
def updates(messages: int = 1_500) -> Sequence[Out]:
    """What the router makes of generated traffic: changes of address, repeats and all."""
    found: list[Out] = []
    for offset, message in enumerate(generate(7, 80, messages, NOW_MS)):
        at = RawPosition(topic="mparticle-raw", partition=0, offset=offset, index=0)
        found += route(message.value, at, NOW_MS, RouterSettings()).outs
    return [out for out in found if out.topic is USER_UPDATE]


async def _ready(port: str) -> bool:
    try:
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/ready") as page:
            return page.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False


@dataclass
class World:
    cluster: KafkaSettings
    service: Sailthru
    url: str
    directory: Path

    @property
    def group(self) -> str:
        return self.cluster.group("sailthru")

    @property
    def given(self) -> Mapping[str, str]:
        every = worker_environment(
            self.cluster.bootstrap_servers, next(free_ports()), sailthru=self.url, ab_tasty=self.url
        )
        return {**every, "KAFKA_PREFIX": self.cluster.prefix}

    async def write(self, outs: Iterable[Out]) -> None:
        topic = self.cluster.topic(USER_UPDATE.name)
        async with producing(self.cluster) as producer:
            sent = [
                await producer.send(
                    topic,
                    out.written(),
                    key=out.key,
                    headers=outgoing(out).headers,
                )
                for out in outs
            ]
            for future in sent:
                await future

    async def fill(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        given = {**self.given, **changed}
        said = await asyncio.to_thread(run, "fill", "sailthru", *arguments, settings=given)
        assert "Traceback" not in said.stderr, said.stderr
        return said

    def started(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """The command while it runs, for a test that ends it."""
        return zygote.Popen(
            [*COMMAND, "fill", "sailthru", "--execute", *arguments],
            env=environment(self.given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    async def members(self) -> Sequence[str]:
        """The ids of the fills at work, as Kafka sees it."""
        async with admin(self.cluster) as client:
            [answer] = await client.describe_consumer_groups([self.group + SUFFIX])
        [described] = answer.to_object()["groups"]
        return [each["member_id"] for each in described["members"]]

    async def forgotten(self) -> None:
        """Waits until Kafka no longer takes a fill that was killed for one at work."""
        async with asyncio.timeout(60):
            while await self.members():  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.1)

    async def expel(self) -> None:
        """Has Kafka do as if it had not heard of the fill, and waits until that has come back."""
        before = await self.members()
        async with admin(self.cluster) as client:
            await client._send_request(LeaveGroupRequest(self.group + SUFFIX, *before))
        async with asyncio.timeout(60):
            while (await self.members()) in ([], before):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)

    async def taken(self, jobs: int) -> None:
        """Waits until the service has taken so many jobs."""
        async with asyncio.timeout(60):
            # No event: the service counts, and tells nobody.
            while self.seen.get(JOBS, 0) < jobs:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)

    async def asked(self, endpoint: str) -> None:
        """Waits until the service has been asked, whether or not it has answered."""
        async with asyncio.timeout(60):
            while not self.service.begun[endpoint]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    @property
    def seen(self) -> Mapping[str, int]:
        """Requests answered so far, by endpoint."""
        return {name: counts.total() for name, counts in self.service.counts.items()}

    async def work_off(self) -> None:
        """Lets the worker deliver all there is, and stops it."""
        given = self.given
        worker = WorkerProcess("sailthru", self.directory / "worker.log", given)
        try:
            async with asyncio.timeout(60), Lag.open(self.cluster) as lag:
                while not (
                    await _ready(given["WORKER_PORT"])
                    and (await lag.of("sailthru", READS["sailthru"])).done
                ):
                    assert worker.code is None
                    await asyncio.sleep(0.1)
        finally:
            code = await worker.stop()
        assert code == 0

    async def progress(self) -> Mapping[int, Progress | None]:
        """What is committed of `user-update`, as a worker reads it; None: it begins an epoch.

        Without how many partitions there were, which stands beside it and is the engine's.
        """
        name = self.cluster.topic(USER_UPDATE.name)
        every = [(name, number) for number in range(PARTITIONS)]
        async with assigned(self.cluster, self.group, every) as consumer:
            committed = await consumer._coordinator.fetch_committed_offsets(
                list(consumer.assignment())
            )
        found = {
            tp.partition: decode(at.metadata, at.offset, at.metadata.split("|")[1])
            for tp, at in committed.items()
        }
        return {
            number: each and replace(each, sight=NOTHING_SEEN) for number, each in found.items()
        }

    async def ends(self) -> Mapping[int, int]:
        name = self.cluster.topic(USER_UPDATE.name)
        every = [(name, number) for number in range(PARTITIONS)]
        async with assigned(self.cluster, self.group, every) as consumer:
            ends = await consumer.end_offsets(list(consumer.assignment()))
        return {tp.partition: end for tp, end in ends.items()}

    def profiles(self) -> Mapping[str, Any]:
        """By address: keys and vars."""
        state: Any = self.service.state()
        return {
            each["keys"].get("email", each["sid"]): (each["keys"], each["vars"])
            for each in state["profiles"]
        }


@asynccontextmanager
async def world(kafka: Kafka, prefix: str, directory: Path, **options: Any) -> AsyncIterator[World]:
    cluster = settings(kafka, prefix, partitions=PARTITIONS)
    await create(cluster)
    service = Sailthru(Options(**{"factor": 50.0, "job_seconds": 0.1, **options}))
    async with running(service.app()) as url:
        yield World(cluster, service, url, directory)
