"""Processes under measurement: started, watched, stopped."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.guard import new_guard
from sandbox.ports import free_ports
from streams.settings import KafkaSettings
from tests.benchmarks.meter import VARIABLE, Readings

_ROOT = Path(__file__).parents[2]
_STOP_SECONDS = 15.0


class SubjectEndedError(Exception):
    """A process ended by itself; the message shows how its output ends."""


class Subject:
    """One process of `tests.benchmarks.subjects`; use as `async with`."""

    def __init__(
        self, name: str, directory: Path, kafka: KafkaSettings, argument: str, **settings: str
    ) -> None:
        """`argument` is the worker's name, or a rival's group."""
        self.name = name
        self._port = next(free_ports())
        self._argument = argument
        self._directory = directory
        self._log = directory / f"{name}-{argument}.log"
        self._meter = directory / f"{name}-{argument}.meter"
        self._settings = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_PREFIX": kafka.prefix,
            "KAFKA_INITIAL_OFFSET": "earliest",
            "KAFKA_SESSION_TIMEOUT_S": "10",
            "WORKER_PORT": str(self._port),
            "WORKER_LOG_LEVEL": "warning",
            **settings,
        }

    @property
    def address(self) -> str:
        """Where a worker serves its metrics."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._meter.unlink(missing_ok=True)
        self._guard = new_guard()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - starts at once; our own words, and no shell
                [sys.executable, "-m", f"tests.benchmarks.subjects.{self.name}", self._argument],
                cwd=self._directory,  # some leave folders where they run
                env={
                    **_inherited(),
                    "PYTHONPATH": str(_ROOT),
                    VARIABLE: str(self._meter),
                    **self._settings,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._guard.pid,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._guard.communicate()

    def check(self) -> None:
        """Raises SubjectEndedError when it has ended."""
        if self._process.poll() is not None:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise SubjectEndedError(
                f"{self.name} ended with code {self._process.returncode}:\n{tail}"
            )

    def readings(self) -> Readings:
        return Readings.read(self._meter) if self._meter.exists() else Readings()

    async def metered(self, until: float) -> Readings:
        """What was measured, once it goes as far as that; unix seconds."""
        while not (samples := (readings := self.readings()).samples) or samples[-1].at < until:
            self.check()
            await asyncio.sleep(0.1)
        return readings

    async def marked(self, name: str) -> None:
        """Waits until the process has noted that."""
        while name not in self.readings().marks:
            self.check()
            await asyncio.sleep(0.1)


def sailthru_settings(url: str) -> Mapping[str, str]:
    """What a Sailthru worker needs, and time enough: benchmarks' messages bear a fixed time."""
    return {
        "SAILTHRU_BASE_URL": url,
        "SAILTHRU_API_KEY": "sandbox-key",
        "SAILTHRU_API_SECRET": "sandbox-secret",
        "SAILTHRU_EVENT_MAX_AGE_DAYS": "100000",
    }


def ab_tasty_settings(url: str) -> Mapping[str, str]:
    """What an AB Tasty worker needs."""
    return {
        "ABTASTY_BASE_URL": url,
        "ABTASTY_TOKEN_URL": f"{url}/oauth/v2/token",
        "ABTASTY_CLIENT_ID": "sandbox-client",
        "ABTASTY_CLIENT_SECRET": "sandbox-secret",
        "ABTASTY_ACCOUNT_ID": "sandbox-account",
        "ABTASTY_PARTNER_NAME": "mparticle",
    }


def _inherited() -> Mapping[str, str]:
    """The environment without any setting of ours: a benchmark is not to depend on the shell."""
    prefixes = ("KAFKA_", "WORKER_", "ROUTER_", "SAILTHRU_", "ABTASTY_", "RECEIVER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
