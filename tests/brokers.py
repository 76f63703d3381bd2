"""The brokers that all processes of a run share: each is started when a test first asks for it.

They live in the process that gives out the tests, and end with it. A test has topics and groups to
itself by its prefix; one that stops, kills or changes a broker starts its own.
"""

import asyncio
import pickle
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final, Literal, TypeVar

import pytest

from sandbox.kafka import UNKILLED, BrokerError, Kafka
from tests.kafka.secured import Secured, secured

Kind = Literal["plain", "secured"]
T = TypeVar("T")


@asynccontextmanager
async def _plain(_directory: Path) -> AsyncIterator[Kafka]:
    async with Kafka(settings=UNKILLED) as broker:
        yield broker


STARTED: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[Kafka | Secured]]]] = {
    "plain": _plain,
    "secured": secured,
}


@asynccontextmanager
async def running(kind: Kind, config: pytest.Config, directory: Path) -> AsyncIterator[Any]:
    """The run's broker of this kind; a process that is alone starts one, with its files there."""
    address = getattr(config, "workerinput", {}).get("brokers")
    if address is None:
        async with STARTED[kind](directory) as own:
            yield own
        return
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(f"{kind}\n".encode())
    told = pickle.loads(await reader.read())  # noqa: S301 - from the process that started us
    writer.close()
    if isinstance(told, BrokerError):
        raise told
    yield told


class Brokers:
    """Tells whoever asks at `address` where the broker of a kind is, once it is up."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="mparticle-streams-tests-")
        self.address = str(Path(self._directory.name) / "brokers")
        self._stack = AsyncExitStack()
        self._starting: dict[str, asyncio.Task[Kafka | Secured]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._do(asyncio.start_unix_server(self._answer, self.address))

    def end(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._directory.cleanup()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end(self) -> None:
        self._server.close()
        for starting in self._starting.values():
            starting.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        await self._stack.aclose()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = (await reader.readline()).decode().strip()
        if kind not in self._starting:
            self._starting[kind] = asyncio.create_task(self._start(kind))
        told: Kafka | Secured | BrokerError
        try:
            told = await asyncio.shield(self._starting[kind])
        except BrokerError as error:
            told = error
        writer.write(pickle.dumps(told))
        await writer.drain()
        writer.close()

    async def _start(self, kind: str) -> Kafka | Secured:
        started = await self._stack.enter_async_context(STARTED[kind](Path(self._directory.name)))
        broker = started if isinstance(started, Kafka) else started.broker
        self._stack.push_async_callback(broker.kill)  # nobody wants what it keeps
        return started
