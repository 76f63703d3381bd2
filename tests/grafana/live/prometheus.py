"""A real Prometheus on 127.0.0.1, and what it is asked."""

import asyncio
import contextlib
import math
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from sandbox.guard import new_guard
from sandbox.ports import free_ports
from tests.grafana.live import scaled

PROGRAM = shutil.which("prometheus")
WHY_NOT = "prometheus is not installed (Debian's package of that name has it)"

_START_SECONDS = 120.0
_POLL_SECONDS = 0.25


class Prometheus:
    """Scrapes the workers each second and holds the scaled rules; use as `async with`."""

    def __init__(self, directory: Path, targets: Mapping[str, str]) -> None:
        self._directory = directory
        self._targets = targets
        self.started_at = 0.0

    async def __aenter__(self) -> Self:
        address = f"127.0.0.1:{next(free_ports())}"
        settings = scaled.write(self._directory, self._targets)
        self._guard = new_guard()
        self._process = self._start(address, settings)
        self._http = aiohttp.ClientSession(f"http://{address}")
        self.started_at = time.time()
        await self._come_up()
        return self

    def _start(self, address: str, settings: Path) -> subprocess.Popen[bytes]:
        assert PROGRAM is not None, WHY_NOT
        with (self._directory / "prometheus.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own words, and no shell
                [
                    PROGRAM,
                    f"--config.file={settings}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={address}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._guard.pid,
            )

    async def __aexit__(self, *_error: object) -> None:
        await self._http.close()
        self._process.terminate()
        self._process.wait()
        self._guard.communicate()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """What the expression gives now: series with their labels (`metric`) and `value`."""
        return await self._ask("query", query=expression)

    async def over(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """What it gave each second from `start` to `end`: series with `metric` and `values`."""
        times = {"start": str(start), "end": str(end), "step": "1"}
        return await self._ask("query_range", query=expression, **times)

    async def has_shown(self, expression: str) -> bool:
        """Whether there has been a number since the start; nought by nought is none."""
        found = await self.over(expression, self.started_at, time.time())
        return any(math.isfinite(float(value)) for each in found for _, value in each["values"])

    async def scrape_errors(self) -> dict[str, str]:
        """Its own words, by address, for why it could not scrape; nothing where it could."""
        async with self._http.get("/api/v1/targets") as answer:
            said = await answer.json()
        targets = said["data"]["activeTargets"]
        return {each["scrapeUrl"]: each["lastError"] for each in targets if each["lastError"]}

    async def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        async with self._http.post(f"/api/v1/{what}", data=parameters) as answer:
            said = await answer.json()
        assert said["status"] == "success", said
        result: list[dict[str, Any]] = said["data"]["result"]
        return result

    async def _come_up(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while not await self._scrapes_all():
                log = (self._directory / "prometheus.log").read_text()
                assert self._process.poll() is None, log
                await asyncio.sleep(_POLL_SECONDS)

    async def _scrapes_all(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return len(await self.query("up == 1")) == len(self._targets)
        return False
