"""Two of each worker, each behind a network of its own, and a platform that starts them again."""

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from cli.demo.world import WorkerProcess, create_topics, worker_environment
from sandbox import sailthru
from sandbox.cluster import Cluster
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_ports
from streams.settings import KafkaSettings
from tests.chaos.instance import Instance, Notes
from tests.chaos.journal import AbTasty, Journal, Sailthru
from tests.chaos.locks import OPEN, Locks, locked
from tests.chaos.moments import Moments
from tests.chaos.network import Network
from tests.chaos.plan import INSTANCES, WORKERS, Plan

# The third of each comes and goes.
_ALL = (*INSTANCES, *(f"{worker}-3" for worker in WORKERS))
_WATCH_SECONDS = 0.1
_RESTART_SECONDS = 1.0
# On a machine that does much else, each may need some starts until Kafka answers it in time.
_READY_SECONDS = 300.0


class World:
    """Kafka, both simulators and the workers; leaving it ends them all. Use as `async with`."""

    def __init__(
        self, directory: Path, plan: Plan, *, factor: float = 10.0, before: Path | None = None
    ) -> None:
        """`before` is a tree of the version before, of which all workers are at first."""
        self.moments = Moments()
        self.journal = Journal(self.moments)
        self.notes = Notes(self.moments)
        self.sailthru = Sailthru(self.journal, sailthru.Options(factor=factor))
        self.ab_tasty = AbTasty(self.journal)
        self.instances: dict[str, Instance] = {}
        self.one_away = asyncio.Lock()
        """Of the brokers: held while one is killed, until all have caught up again."""
        self._directory = directory
        self._plan = plan
        self._before = before
        self._locks = OPEN
        self._doors: dict[str, web.AppRunner] = {}
        self._stack = AsyncExitStack()

    @property
    def kafka(self) -> KafkaSettings:
        """Past all proxies."""
        return KafkaSettings(
            bootstrap_servers=self.cluster.bootstrap,
            topic_partitions=self._plan.partitions,
            topic_replication_factor=self._plan.brokers,
            initial_offset="earliest",
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for name in _ALL:
                network = await Network.to(self._plan.brokers, stack)
                log = self._directory / f"{name}.log"
                self.instances[name] = Instance(
                    name, network, log, self.notes, is_before=self._before is not None
                )
            if self._plan.secure:
                self._locks = locked(self._directory, len(_ALL))
            self.cluster = self._new_cluster(self._locks)
            await stack.enter_async_context(self.cluster)
            for each in self.instances.values():
                each.network.lead(self.cluster.brokers)
            await create_topics(self.kafka)
            await self._locks.let_in(self.kafka)
            for name, service in (("sailthru", self.sailthru), ("ab-tasty", self.ab_tasty)):
                runner = web.AppRunner(service.app(), access_log=None, shutdown_timeout=0.1)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                self._doors[name] = runner
            platform = asyncio.create_task(self._platform())
            stack.push_async_callback(self._stop_all, platform)
            self._stack = stack.pop_all()
        return self

    def _new_cluster(self, locks: Locks) -> Cluster:
        networks = [each.network for each in self.instances.values()]
        return Cluster(
            self._directory / "kafka",
            size=self._plan.brokers,
            advertised=[
                [network.ways[number].port for network in networks]
                for number in range(self._plan.brokers)
            ],
            proxied=locks.protocol,
            settings=locks.settings,
            scram=locks.users,
        )

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    def broker(self, name: str) -> Kafka:
        """By its name in a plan."""
        return self.cluster.brokers[int(name.rpartition("-")[2]) - 1]

    async def start(self, name: str) -> None:
        """Starts a replica's next process, with doors of its own to the destinations."""
        each = self.instances[name]
        async with each.starting:
            if each.process is not None:
                return
            each.life += 1
            each.port = next(free_ports())
            environment = worker_environment(
                each.network.bootstrap,
                each.port,
                sailthru=await self._door("sailthru", each.source),
                ab_tasty=await self._door("ab-tasty", each.source),
            )
            called = {"KAFKA_GROUP_INSTANCE_ID": name} if self._plan.static else {}
            each.process = WorkerProcess(
                each.worker,
                each.log,
                {**environment, **self._locks.opened_by(each.worker), **called},
                tree=self._before if each.is_before else None,
            )
            each.alive_at = self.moments.now()
            each.wanted = True

    async def _door(self, service: str, source: str) -> str:
        door = web.TCPSite(self._doors[service], HOST, 0)
        await door.start()
        self.journal.sources[door.port] = source
        return f"http://{HOST}:{door.port}"

    async def ready(self) -> None:
        """Waits until all workers have their partitions."""
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as http:
            for name in INSTANCES:
                while not await _is_ready(http, self.instances[name].port):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_WATCH_SECONDS)

    async def _platform(self) -> None:
        """Starts again what has ended by itself."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for each in self.instances.values():
                now = self.moments.now()
                if each.process is None:
                    if each.wanted and now >= each.start_at:
                        await self.start(each.name)
                elif each.process.code is None:
                    each.alive_at = now
                else:
                    each.ended(each.process)
                    each.process, each.start_at = None, now + _RESTART_SECONDS

    async def _stop_all(self, platform: asyncio.Task[None]) -> None:
        platform.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await platform
        for each in self.instances.values():
            each.signal(signal.SIGCONT)
            each.network.heal()
        await asyncio.gather(*(each.stop() for each in self.instances.values()))


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{HOST}:{port}/ready") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False
