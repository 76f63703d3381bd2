"""Both destinations at once, and workers that run on while a person's commands do their work."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.ab_tasty import AbTasty
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.settings import KafkaSettings
from tests.cli.command import run_on
from tests.kafka.outside import Outside

POISON = 3
"""The user whom a test has Sailthru refuse."""


class World:
    """Both destinations, each with what it was sent, and workers that run on."""

    def __init__(self, cluster: KafkaSettings, directory: Path) -> None:
        self.cluster = cluster
        self.service = Sailthru(Options(factor=50.0))
        self.sailthru = Outside(cluster, directory)
        self.ab_tasty = Outside(cluster, directory)

    @asynccontextmanager
    async def working(self, *workers: str) -> AsyncIterator[None]:
        async with (
            running(self.sailthru.watch(self.service)) as sailthru,
            running(self.ab_tasty.watch(AbTasty())) as ab_tasty,
            Lag.open(self.cluster) as self._lag,
        ):
            self.sailthru.urls = {"sailthru": sailthru, "ab_tasty": ab_tasty}
            self._processes = {worker: self.sailthru.start(worker) for worker in workers}
            try:
                await self.worked_off()
                yield
            finally:
                stopping = [process.stop() for process in self._processes.values()]
                codes = await asyncio.gather(*stopping)
            assert codes == [0] * len(workers)

    async def worked_off(self) -> None:
        """Waits until nothing is left to do, for one worker after the other."""
        async with asyncio.timeout(60):
            for worker, process in self._processes.items():
                while not (await self._lag.of(worker, READS[worker])).done:
                    assert process.code is None, "the worker ended by itself"
                    await asyncio.sleep(0.1)

    async def redrive(self, *arguments: str) -> str:
        said = await run_on(self.cluster, "dead-letters", "redrive", *arguments)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def profiles(self) -> Mapping[str, Any]:
        state: Any = self.service.state()
        return {each["keys"]["email"]: each for each in state["profiles"]}
