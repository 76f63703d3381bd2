"""Receivers that a test starts as processes, kills and starts again."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sandbox.ports import free_ports
from streams.settings import KafkaSettings
from tests import zygote
from tests.agents.receiver.served import TOKEN
from tests.cli.command import COMMAND, environment
from tests.started_workers import get


class Process:
    """The receiver as a process at one port, that can be killed and started again."""

    def __init__(self, cluster: KafkaSettings, log: Path, given: Mapping[str, str]) -> None:
        self.port, self._pages = islice(free_ports(), 2)
        self.url = f"http://127.0.0.1:{self.port}/"
        self._given = {
            "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
            "KAFKA_PREFIX": cluster.prefix,
            "RECEIVER_TOKEN": TOKEN,
            "RECEIVER_PORT": str(self.port),
            "RECEIVER_TIMEOUT_S": "1",
            "RECEIVER_REGISTRATION": '{"name": "Streams", "version": "1.0"}',
            "WORKER_PORT": str(self._pages),
            **given,
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as lines:
            self._process = zygote.Popen(
                [*COMMAND, "receiver"], env=environment(self._given), stdout=lines, stderr=lines
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def page(self, name: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(get, f"http://127.0.0.1:{self._pages}/{name}")

    def peak_bytes(self) -> int:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    async def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ends()

    async def ends(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, 30)


@contextmanager
def running(cluster: KafkaSettings, log: Path, **given: str) -> Iterator[Process]:
    process = Process(cluster, log, given)
    process.start()
    try:
        yield process
    finally:
        process.kill()
