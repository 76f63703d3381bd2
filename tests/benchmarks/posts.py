"""R1: what a post costs the receiver, beside a handler that only answers, and how long it takes.

The posts are those of the sandbox's crowd that have some 2 KB, of both vocabularies. Both get them
by turns, on 64 connections, as fast as they answer; then both get as many as half of what the
receiver answered, evenly spread, and it once more while 1,000 others dribble a byte a second.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from sandbox.kafka import Kafka
from sandbox.mparticle import generate
from sandbox.ports import free_ports
from tests.benchmarks.log import Log
from tests.benchmarks.processes import Subject
from tests.benchmarks.results import Result, at_most, ratios

RECEIVER, BARE = "receiver", "bare_handler"
_TOKEN = "invented-token-of-mparticle"
_CONNECTIONS = 64
_SECONDS = 3.0
_DRIBBLERS = 1_000
_DRIBBLE_SECONDS = 1.0
_START_SECONDS = 30.0
_PERCENT = 100
_NOW_MS = 1_767_225_600_000
_SIZES = range(1_800, 2_300)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class RefusedError(Exception):
    """A post was not taken."""


def posts(messages: int = 6_000) -> list[bytes]:
    """Whole requests, head and body."""
    crowd = generate(1, 300, messages, _NOW_MS)
    return [_head(len(each.value)) + each.value for each in crowd if len(each.value) in _SIZES]


def _head(size: int) -> bytes:
    return (
        f"POST / HTTP/1.1\r\nHost: receiver.example\r\nAuthorization: Token {_TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


class Line(asyncio.Protocol):
    """One connection that is kept, and its posts, one after the other."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._came = b""
        self._answered: asyncio.Future[None] | None = None

    @classmethod
    async def to(cls, port: int) -> Self:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._end(RefusedError("the connection was ended"))

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, found, body = self._came.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not found or len(body) < int(length[1] if length else 0):
            return
        self._came = b""
        is_taken = head.startswith(b"HTTP/1.1 2")
        self._end(None if is_taken else RefusedError(body.decode()))

    def _end(self, error: RefusedError | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            if error is None:
                answered.set_result(None)
            else:
                answered.set_exception(error)

    async def post(self, request: bytes) -> None:
        """Returns when it is answered; raises RefusedError."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answered

    def close(self) -> None:
        self._transport.close()


class Run(NamedTuple):
    """What came of some seconds of posts: milliseconds of each, and CPU seconds of the handler."""

    spent: Sequence[float]
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return len(self.spent) / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu / len(self.spent) * 1e6

    @property
    def p99(self) -> float:
        return quantiles(self.spent, n=_PERCENT)[98]


class Target:
    """One handler's process, and lines to it."""

    def __init__(self, subject: Subject, port: int, lines: Sequence[Line]) -> None:
        self.port = port
        self._subject = subject
        self._lines = lines

    @classmethod
    @asynccontextmanager
    async def started(cls, name: str, log: Log, **settings: str) -> AsyncIterator[Self]:
        port = next(free_ports())
        chosen = {"RECEIVER_PORT": str(port), "RECEIVER_TOKEN": _TOKEN, **settings}
        with TemporaryDirectory() as directory:
            subject = Subject(name, Path(directory), log.kafka, "", **chosen)
            async with subject:
                lines = [await _connected(subject, port) for _ in range(_CONNECTIONS)]
                try:
                    yield cls(subject, port, lines)
                finally:
                    for line in lines:
                        line.close()

    async def burst(self, requests: Iterator[bytes], seconds: float) -> Run:
        """All lines post one after the other for so long."""
        until = time.monotonic() + seconds

        async def posting(line: Line, spent: list[float]) -> None:
            while (began := time.monotonic()) < until:
                await line.post(next(requests))
                spent.append((time.monotonic() - began) * 1000)

        return await self._run(posting(line, spent) for line, spent in self._each())

    async def steady(self, requests: Iterator[bytes], rate: float, seconds: float) -> Run:
        """So many posts a second, evenly spread; their time is from when each was due.

        It takes longer where they would be too few to tell how long the slowest of a hundred took.
        """
        count = max(int(rate * seconds), _PERCENT)
        began = time.monotonic()

        async def posting(place: int, line: Line, spent: list[float]) -> None:
            for number in range(place, count, len(self._lines)):
                due = began + number / rate
                await asyncio.sleep(due - time.monotonic())
                await line.post(next(requests))
                spent.append((time.monotonic() - due) * 1000)

        return await self._run(posting(place, *each) for place, each in enumerate(self._each()))

    def _each(self) -> Iterator[tuple[Line, list[float]]]:
        self._spent: list[float] = []
        return ((line, self._spent) for line in self._lines)

    async def _run(self, posting: Iterable[Coroutine[Any, Any, None]]) -> Run:
        began = time.time()
        await asyncio.gather(*posting)
        ended = time.time()
        readings = await self._subject.metered(ended)
        cpu = readings.cpu_at(ended) - readings.cpu_at(began)
        return Run(self._spent, ended - began, cpu)


async def _connected(subject: Subject, port: int) -> Line:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            subject.check()
            try:
                return await Line.to(port)
            except OSError:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def dribbling(port: int, count: int) -> AsyncIterator[None]:
    """So many connections that say a byte a second, and come again when they are ended.

    One half never ends a head; the other has the token, and never ends a body.
    """
    heads = (b"POST / HTTP/1.1\r\nX: ", _head(2_000))
    tasks = [asyncio.create_task(_dribble(port, heads[number % 2])) for number in range(count)]
    try:
        await asyncio.sleep(2 * _DRIBBLE_SECONDS)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _dribble(port: int, head: bytes) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_DRIBBLE_SECONDS)
            continue
        try:
            writer.write(head)
            while not writer.transport.is_closing():
                await asyncio.sleep(_DRIBBLE_SECONDS)
                writer.write(b"a")
        finally:
            writer.transport.abort()


async def run(
    broker: Kafka, rounds: int, *, seconds: float = _SECONDS, dribblers: int = _DRIBBLERS
) -> list[Result]:
    # In a thread: it takes seconds, in which others on this loop wait for an answer of Kafka's.
    requests = cycle(await asyncio.to_thread(posts))
    bursts: dict[str, list[Run]] = {RECEIVER: [], BARE: []}
    halves: dict[str, list[Run]] = {RECEIVER: [], BARE: []}
    beside: list[Run] = []
    async with Log.on(broker, partitions=4) as log, AsyncExitStack() as stack:
        targets = {
            name: await stack.enter_async_context(Target.started(name, log)) for name in bursts
        }
        ours = targets[RECEIVER]
        for number in range(rounds):
            # Back and forth, so that nobody always comes after the same one.
            names = sorted(targets, reverse=bool(number % 2))
            for name in names:
                bursts[name].append(await targets[name].burst(requests, seconds))
            half = bursts[RECEIVER][-1].rate / 2
            for name in names:
                halves[name].append(await targets[name].steady(requests, half, seconds))
            async with dribbling(ours.port, dribblers):
                beside.append(await ours.steady(requests, half, seconds))
    return [
        *_compared("as fast as it answers", bursts),
        *_compared(_HALF, halves),
        *_late(halves[RECEIVER], beside, dribblers),
    ]


_HALF = "both at half the receiver's ceiling"


def _compared(case: str, runs: Mapping[str, Sequence[Run]]) -> list[Result]:
    cpu = {name: [run.cpu_us for run in each] for name, each in runs.items()}
    rate = {name: [run.rate for run in each] for name, each in runs.items()}
    what = "receiver / bare handler: CPU a post"
    return [
        ratios("R1", case, what, cpu[RECEIVER], cpu[BARE], at_most(1.7)),
        *(Result("R1", case, f"{_called(name)}: CPU a post", "us", cpu[name]) for name in runs),
        *(Result("R1", case, f"{_called(name)}: posts", "1/s", rate[name]) for name in runs),
    ]


def _late(alone: Sequence[Run], beside: Sequence[Run], dribblers: int) -> list[Result]:
    quiet, loud = [[run.p99 for run in each] for each in (alone, beside)]
    what = f"p99 beside {dribblers:,} that dribble / alone"
    return [
        Result("R1", _HALF, "receiver: p99", "ms", quiet, at_most(100)),
        ratios("R1", _HALF, what, loud, quiet, at_most(2)),
    ]


def _called(name: str) -> str:
    return name.replace("_", " ")
