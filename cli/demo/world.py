"""The whole outside world and the three workers, on this machine."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Self

from agents import registry
from sandbox import ab_tasty, sailthru
from sandbox.guard import new_guard
from sandbox.kafka import OURS, UNKILLED, Kafka, Release
from sandbox.ports import free_ports
from sandbox.server import running
from streams.kafka import clients, topic_admin
from streams.settings import KafkaSettings

WORKERS = ("router", "sailthru", "ab-tasty")
_STOP_SECONDS = 30.0
_KNOWN_SECONDS = 60.0


class WorkerProcess:
    """A worker's own process, started at once; it dies with us."""

    def __init__(
        self, worker: str, log: Path, environment: Mapping[str, str], tree: Path | None = None
    ) -> None:
        """Appends what it says to `log`; runs the code in `tree`, or else ours."""
        self._guard = new_guard()
        with log.open("ab") as output:
            self._process = Popen(  # noqa: S603 - our own words, and no shell
                [sys.executable, "-m", "cli", "worker", worker],
                env={**os.environ, **environment},
                cwd=tree,  # where Python looks first
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                process_group=self._guard.pid,
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it with SIGKILL, as a crash would."""
        self._process.kill()
        self._process.wait()
        self._guard.communicate()

    async def stop(self) -> int:
        """Tells it to stop, and returns its exit code; by force when that takes too long."""
        self._process.terminate()
        try:
            return await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._guard.communicate()


def worker_environment(
    bootstrap: str, port: int, *, sailthru: str, ab_tasty: str
) -> Mapping[str, str]:
    """The settings of any worker in the sandbox; `sailthru` and `ab_tasty` are base URLs."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA_INITIAL_OFFSET": "earliest",
        # A killed worker's partitions must not wait for half a minute.
        "KAFKA_SESSION_TIMEOUT_S": "6",
        "WORKER_PORT": str(port),
        "SAILTHRU_BASE_URL": sailthru,
        "SAILTHRU_API_KEY": "sandbox-key",
        "SAILTHRU_API_SECRET": "sandbox-secret",
        "ABTASTY_BASE_URL": ab_tasty,
        "ABTASTY_TOKEN_URL": f"{ab_tasty}/oauth/v2/token",
        "ABTASTY_CLIENT_ID": "sandbox-client",
        "ABTASTY_CLIENT_SECRET": "sandbox-secret",
        "ABTASTY_ACCOUNT_ID": "sandbox-account",
        "ABTASTY_PARTNER_NAME": "mparticle",
    }


class WorkerEndedError(Exception):
    """A worker ended by itself; the message says where its log is, and how it ends."""


class World:
    """Kafka, both simulators and the workers' processes; leaving it ends them all.

    Use as `async with`. The simulators announce `factor` times the published ceilings.
    """

    def __init__(
        self,
        directory: Path,
        *,
        factor: float = 50.0,
        partitions: int = 4,
        release: Release = OURS,
    ) -> None:
        self.directory = directory
        self.sailthru = sailthru.Sailthru(sailthru.Options(factor=factor))
        self.ab_tasty = ab_tasty.AbTasty()
        self.sailthru_url = self.ab_tasty_url = ""
        self.ports = dict(zip(WORKERS, free_ports(), strict=False))
        self._partitions = partitions
        self.broker = Kafka(directory / "kafka", settings=UNKILLED, release=release)
        self._processes: dict[str, WorkerProcess] = {}
        self._stack = AsyncExitStack()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self.broker.bootstrap,
            topic_partitions=self._partitions,
            initial_offset="earliest",
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            self.sailthru_url = await stack.enter_async_context(running(self.sailthru.app()))
            self.ab_tasty_url = await stack.enter_async_context(running(self.ab_tasty.app()))
            stack.push_async_callback(self._stop_workers)
            await create_topics(self.kafka)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    # -- workers

    def log(self, worker: str) -> Path:
        return self.directory / f"{worker}.log"

    def address(self, worker: str) -> str:
        return f"http://127.0.0.1:{self.ports[worker]}"

    def start(self, worker: str) -> None:
        """Starts a worker's process; when it is ready shows in what it does."""
        environment = worker_environment(
            self.kafka.bootstrap_servers,
            self.ports[worker],
            sailthru=self.sailthru_url,
            ab_tasty=self.ab_tasty_url,
        )
        self._processes[worker] = WorkerProcess(worker, self.log(worker), environment)

    def kill(self, worker: str) -> None:
        """Ends a worker with SIGKILL, as a crash would."""
        self._processes.pop(worker).kill()

    async def stop(self, worker: str) -> int:
        """Tells a worker to stop, and returns its exit code."""
        return await self._processes.pop(worker).stop()

    def check(self) -> None:
        """Raises WorkerEndedError when a worker has ended by itself."""
        for name, process in self._processes.items():
            if process.code is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-10:])
                raise WorkerEndedError(
                    f"The {name} worker ended with code {process.code}; its log "
                    f"{self.log(name)} ends with:\n{tail}"
                )

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(self.stop(worker) for worker in list(self._processes)))


async def create_topics(kafka: KafkaSettings) -> None:
    """Returns when a worker that starts finds them."""
    async with clients.admin(kafka) as admin:
        topics = registry.all_topics()
        await topic_admin.create(admin, kafka, topics)
        async with asyncio.timeout(_KNOWN_SECONDS):
            await topic_admin.wait_until_known(admin, [kafka.topic(each.name) for each in topics])
