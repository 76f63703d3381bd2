"""Routers that a test starts, and waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cli.demo.world import WorkerProcess
from sandbox.ports import free_ports
from streams.settings import KafkaSettings
from tests.started_workers import get

SECONDS = 120.0


class Router:
    """A router's process and what it says."""

    def __init__(self, to: KafkaSettings, log: Path, **given: str) -> None:
        port = next(free_ports())
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        where = {"KAFKA_BOOTSTRAP_SERVERS": to.bootstrap_servers, "KAFKA_PREFIX": to.prefix}
        self.process = WorkerProcess("router", log, {**where, "WORKER_PORT": str(port), **given})

    def said(self) -> str:
        return self._log.read_text()

    def why_not(self) -> str:
        return get(f"{self.url}/ready")[1].decode()


@asynccontextmanager
async def running(*routers: Router) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for each in routers:
            each.process.kill()


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 - a process and a page tell nothing
            await asyncio.sleep(0.02)
