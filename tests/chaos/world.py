"""Two of each worker, each behind a network of its own, and a platform that starts them again."""

import asyncio
import signal
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from cli.demo.world import WorkerProcess, create_topics, worker_environment
from sandbox import sailthru
from sandbox.kafka import Kafka, free_ports
from sandbox.proxy import HOST, Proxy
from streams.settings import KafkaSettings
from tests.chaos.disturbance import Disturbance
from tests.chaos.journal import AbTasty, Journal, Sailthru
from tests.chaos.moments import Moments
from tests.chaos.plan import INSTANCES, WORKERS

# The third of each comes and goes.
_ALL = (*INSTANCES, *(f"{worker}-3" for worker in WORKERS))
_WATCH_SECONDS = 0.1
_RESTART_SECONDS = 1.0
_READY_SECONDS = 60.0
_TAIL_LINES = 12


@dataclass
class Instance:
    """A replica: a place in the network and, one after the other, processes."""

    name: str
    proxy: Proxy
    log: Path
    process: WorkerProcess | None = None
    wanted: bool = False
    """Whether the platform starts it again when it has ended."""
    life: int = 0
    port: int = 0
    alive_at: float = 0.0
    start_at: float = 0.0

    @property
    def worker(self) -> str:
        return self.name.rpartition("-")[0]

    @property
    def source(self) -> str:
        """The present process, as the journal names it."""
        return f"{self.name}#{self.life}"


@dataclass
class Ended:
    """What the platform saw of processes that ended by themselves."""

    codes: Counter[str] = field(default_factory=Counter)
    tails: list[str] = field(default_factory=list)


class World:
    """Kafka, both simulators and the workers; leaving it ends them all. Use as `async with`."""

    def __init__(self, directory: Path, partitions: int, factor: float = 10.0) -> None:
        self.moments = Moments()
        self.journal = Journal(self.moments)
        self.sailthru = Sailthru(self.journal, sailthru.Options(factor=factor))
        self.ab_tasty = AbTasty(self.journal)
        self.disturbances: list[Disturbance] = []
        self.ended = Ended()
        self.instances: dict[str, Instance] = {}
        self._directory = directory
        self._partitions = partitions
        self._doors: dict[str, web.AppRunner] = {}
        self._stack = AsyncExitStack()

    @property
    def kafka(self) -> KafkaSettings:
        """Past all proxies."""
        return KafkaSettings(
            bootstrap_servers=self.broker.bootstrap, partitions=self._partitions, start="earliest"
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for name in _ALL:
                proxy = await stack.enter_async_context(Proxy())
                self.instances[name] = Instance(name, proxy, self._directory / f"{name}.log")
            ports = [each.proxy.port for each in self.instances.values()]
            self.broker = Kafka(self._directory / "kafka", advertised=ports)
            await stack.enter_async_context(self.broker)
            for each in self.instances.values():
                each.proxy.target = self.broker.listeners[each.proxy.port]
            await create_topics(self.kafka)
            for name, service in (("sailthru", self.sailthru), ("ab-tasty", self.ab_tasty)):
                runner = web.AppRunner(service.app(), access_log=None, shutdown_timeout=0.1)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                self._doors[name] = runner
            platform = asyncio.create_task(self._platform())
            stack.push_async_callback(self._stop_all, platform)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    # -- workers

    async def start(self, name: str) -> None:
        """Starts a replica's next process, with doors of its own to the destinations."""
        each = self.instances[name]
        each.life += 1
        each.port = next(free_ports())
        urls = {service: await self._door(service, each.source) for service in self._doors}
        environment = worker_environment(
            f"{HOST}:{each.proxy.port}",
            each.port,
            sailthru=urls["sailthru"],
            ab_tasty=urls["ab-tasty"],
        )
        each.process = WorkerProcess(each.worker, each.log, environment)
        each.alive_at = self.moments.now()
        each.wanted = True

    async def _door(self, service: str, source: str) -> str:
        door = web.TCPSite(self._doors[service], HOST, 0)
        await door.start()
        self.journal.sources[door.port] = source
        return f"http://{HOST}:{door.port}"

    def kill(self, name: str) -> bool:
        """Ends a replica's process with SIGKILL; False when there is none at this moment."""
        each = self.instances[name]
        process, each.process, each.wanted = each.process, None, False
        if process is None:
            return False
        if process.code is not None:
            self._ended(each, process)
            return False
        begin = self.moments.now()
        process.kill()
        self.disturbances.append(Disturbance(each.source, begin, float("inf")))
        return True

    async def stop(self, name: str) -> None:
        """Ends a replica's process as a platform does: it may finish what it is at."""
        each = self.instances[name]
        process, each.process, each.wanted = each.process, None, False
        if process is None:
            return
        begin = self.moments.now()
        if (code := await process.stop()) != 0:
            self._note(each, f"told to stop, {code}")
            self.disturbances.append(Disturbance(each.source, begin, float("inf")))

    def signal(self, name: str, number: signal.Signals) -> str:
        """Sends a signal to a replica's process, and returns which one that is."""
        each = self.instances[name]
        if each.process is not None and each.process.code is None:
            each.process.send_signal(number)
        return each.source

    async def ready(self) -> None:
        """Waits until all workers have their partitions."""
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as http:
            for name in INSTANCES:
                while not await _is_ready(http, self.instances[name].port):
                    await asyncio.sleep(_WATCH_SECONDS)

    # -- the platform

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
                    self._ended(each, each.process)
                    each.process, each.start_at = None, now + _RESTART_SECONDS

    def _ended(self, each: Instance, process: WorkerProcess) -> None:
        self._note(each, f"by itself, {process.code}")
        # It may have left its group at once, well before we look.
        self.disturbances.append(Disturbance(each.source, each.alive_at, float("inf")))
        process.kill()

    def _note(self, each: Instance, how: str) -> None:
        self.ended.codes[f"{each.worker} {how}"] += 1
        lines = each.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        self.ended.tails.append("\n".join([f"{each.source} ended {how}:", *lines]))

    async def _stop_all(self, platform: asyncio.Task[None]) -> None:
        platform.cancel()
        await asyncio.wait({platform})
        for name in self.instances:
            self.signal(name, signal.SIGCONT)
            self.instances[name].proxy.heal()
        await asyncio.gather(*(self.stop(name) for name in self.instances))


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{HOST}:{port}/ready") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False
