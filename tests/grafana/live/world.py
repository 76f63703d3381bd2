"""The demo's world with traffic that does not end, and a broker that can be away."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from cli.demo import world as demo
from cli.demo.figures import Figures
from cli.demo.lag import Lag
from cli.demo.publish import publish
from cli.demo.run import READS
from sandbox.faults import Answer
from sandbox.mparticle import Message, Shares, duration_ms, generate, handwritten

_RATE = 30
_MESSAGES = 20_000
# Nothing broken, nobody whom a destination cannot know, nothing that a person must be told of.
_SHARES = Shares(
    broken=0.0, partly_broken=0.0, privacy_request=0.0, crowd=0.0, legacy_membership=0.0
)
_REFUSAL = Answer(endpoint="POST event", status=400, body={"error": 99, "errormsg": "No"}, count=1)
_READY_SECONDS = 240.0


class LiveWorld(demo.World):
    """Also holds mParticle's pen: it writes only while there is a broker to write to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._pen = asyncio.Lock()
        self._laid_down = contextlib.AsyncExitStack()
        """Has the pen while it is laid down."""
        self._is_over = asyncio.Event()

    async def lay_down_the_pen(self) -> None:
        await self._laid_down.enter_async_context(self._pen)

    async def take_up_the_pen(self) -> None:
        await self._laid_down.aclose()

    async def stop_broker(self) -> None:
        await self.lay_down_the_pen()
        await self.broker.stop()

    async def start_broker(self) -> None:
        await self.broker.start()
        await self.take_up_the_pen()

    async def catch_up(self, worker: str) -> None:
        """Returns when the worker has ended all that there is; nothing more comes meanwhile."""
        async with asyncio.timeout(_READY_SECONDS), self._pen, Lag.open(self.kafka) as lag:
            while not (await lag.of(worker, READS[worker])).done:
                self.check()
                await asyncio.sleep(0.1)

    async def write(self) -> None:
        """Writes ordinary messages, a second's worth a second, until there are no more."""
        messages = _ordinary()
        while some := list(islice(messages, _RATE)):
            async with self._pen:
                if self._is_over.is_set():
                    return
                await publish(self.kafka, some)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._is_over.wait()

    async def end(self, writing: asyncio.Task[None]) -> None:
        """Ends the writing between two messages, or where it waits for the pen.

        Where a producer's start is cancelled, aiokafka leaves its first connection open.
        """
        self._is_over.set()
        await self.take_up_the_pen()
        await writing

    async def ready(self) -> None:
        """Waits until all workers have their partitions and serve their numbers."""
        async with asyncio.timeout(_READY_SECONDS):
            for worker in demo.WORKERS:
                while not await self._is_ready(worker):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)

    async def _is_ready(self, worker: str) -> bool:
        self.check()
        with contextlib.suppress(OSError):
            figures = await Figures.read(self.address(worker))
            return figures.total("readiness", state="ready") == 1
        return False


def _ordinary() -> Iterator[Message]:
    start_ms = int(time.time() * 1000) - duration_ms(_MESSAGES)
    for each in generate(1, 200, _MESSAGES, start_ms, shares=_SHARES):
        if each.key is None or b"@" in each.value:
            yield each


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[LiveWorld]:
    """A world at work: all that mParticle can send has come, twice, and more comes all the time."""
    async with LiveWorld(directory) as world:
        world.sailthru.set_faults([_REFUSAL])
        for worker in demo.WORKERS:
            world.start(worker)
        by_hand, _ = handwritten(int(time.time() * 1000))
        await publish(world.kafka, [*by_hand, *by_hand])
        await world.ready()
        task = asyncio.create_task(world.write())
        try:
            yield world
        finally:
            await world.end(task)
