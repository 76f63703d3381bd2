"""The whole outside world and the three workers, on this machine."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient

from sandbox import ab_tasty, sailthru
from sandbox.guard import new_guard
from sandbox.kafka import Kafka
from sandbox.server import running
from streams import topic_admin, topics
from streams.settings import KafkaSettings

WORKERS = ("router", "sailthru", "ab-tasty")
_STOP_SECONDS = 30.0


@dataclass(slots=True)
class _Process:
    guard: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]


class WorkerEndedError(Exception):
    """A worker ended by itself; the message says where its log is, and how it ends."""


class World:
    """Kafka, both simulators and the workers' processes; leaving it ends them all.

    Use as `async with`. The simulators announce `factor` times the published ceilings.
    """

    def __init__(self, directory: Path, *, factor: float = 50.0, partitions: int = 4) -> None:
        self.directory = directory
        self.sailthru = sailthru.Sailthru(sailthru.Options(factor=factor))
        self.ab_tasty = ab_tasty.AbTasty()
        self.sailthru_url = self.ab_tasty_url = ""
        self.ports = {name: _free_port() for name in WORKERS}
        self._partitions = partitions
        self._broker = Kafka(directory / "kafka")
        self._processes: dict[str, _Process] = {}
        self._stack = AsyncExitStack()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=self._broker.bootstrap, partitions=self._partitions, start="earliest"
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._broker)
            self.sailthru_url = await stack.enter_async_context(running(self.sailthru.app()))
            self.ab_tasty_url = await stack.enter_async_context(running(self.ab_tasty.app()))
            stack.push_async_callback(self._stop_workers)
            await self._create_topics()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def _create_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self.kafka.client_options())
        await admin.start()
        try:
            await topic_admin.create(admin, self.kafka, topics.ALL)
        finally:
            await admin.close()

    # -- workers

    def log(self, worker: str) -> Path:
        return self.directory / f"{worker}.log"

    def address(self, worker: str) -> str:
        return f"http://127.0.0.1:{self.ports[worker]}"

    def start(self, worker: str) -> None:
        """Starts a worker's process; when it is ready shows in what it does."""
        guard = new_guard()
        with self.log(worker).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own words, and no shell
                [sys.executable, "-m", "cli", "worker", worker],
                env={**os.environ, **self._environment(worker)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=guard.pid,
            )
        self._processes[worker] = _Process(guard, process)

    def kill(self, worker: str) -> None:
        """Ends a worker with SIGKILL, as a crash would."""
        process = self._processes.pop(worker)
        process.worker.kill()
        process.worker.wait()
        process.guard.communicate()

    async def stop(self, worker: str) -> int:
        """Tells a worker to stop, and returns its exit code."""
        process = self._processes.pop(worker)
        process.worker.terminate()
        try:
            return await asyncio.to_thread(process.worker.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.worker.kill()
            return process.worker.wait()
        finally:
            process.guard.communicate()

    def check(self) -> None:
        """Raises WorkerEndedError when a worker has ended by itself."""
        for name, process in self._processes.items():
            if process.worker.poll() is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-10:])
                raise WorkerEndedError(
                    f"The {name} worker ended with code {process.worker.returncode}; its log "
                    f"{self.log(name)} ends with:\n{tail}"
                )

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(self.stop(worker) for worker in list(self._processes)))

    def _environment(self, worker: str) -> Mapping[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_START": "earliest",
            # A killed worker's partitions must not wait for half a minute.
            "KAFKA_SESSION_TIMEOUT_S": "6",
            "WORKER_PORT": str(self.ports[worker]),
            "SAILTHRU_BASE_URL": self.sailthru_url,
            "SAILTHRU_API_KEY": "sandbox-key",
            "SAILTHRU_API_SECRET": "sandbox-secret",
            "ABTASTY_BASE_URL": self.ab_tasty_url,
            "ABTASTY_TOKEN_URL": f"{self.ab_tasty_url}/oauth/v2/token",
            "ABTASTY_CLIENT_ID": "sandbox-client",
            "ABTASTY_CLIENT_SECRET": "sandbox-secret",
            "ABTASTY_ACCOUNT_ID": "sandbox-account",
            "ABTASTY_PARTNER_NAME": "mparticle",
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
