"""What a stranger gets of a port, over real sockets, and what is left for those who ask."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from streams import metrics
from streams.worker.connection_limits import Door, Limits, serving
from tests.counted import value

SECRET = "Token of-somebody-else"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: x\r\n"
PATIENT = Limits(connections=3, request_s=60, head_s=60, idle_s=60)
# Long enough for whoever is ready, on a busy machine as well.
SOON = 0.3


@dataclass
class Caller:
    """A client that sends what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def at(cls, port: int, said: bytes = b"") -> Self:
        caller = cls(*await asyncio.open_connection("127.0.0.1", port))
        await caller.say(said)
        return caller

    async def say(self, said: bytes) -> None:
        self.writer.write(said)
        await self.writer.drain()

    async def hears(self) -> int:
        """The status of the next answer, whose body it reads too; 0 when the line is dead."""
        async with asyncio.timeout(60):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
                lines = head.decode().lower().splitlines()
                [length] = [line.split()[1] for line in lines if line.startswith("content-length")]
                await self.reader.readexactly(int(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0
        return int(head.split()[1])

    async def ends(self) -> int:
        """The status that it is told at the end, 0 for none."""
        status = await self.hears()
        if status:
            assert await self.hears() == 0
        self.writer.close()
        return status


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def opened(limits: Limits, handler: Handler = hello) -> AsyncIterator[tuple[int, Door]]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    door = Door("posts", limits)
    async with serving(app, door, "127.0.0.1", 0, "RECEIVER_PORT") as server:
        yield server.sockets[0].getsockname()[1], door


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - what is asked has no event
            await asyncio.sleep(0.01)


def counted(reason: str) -> float:
    return value(metrics.TURNED_AWAY.labels(port="posts", reason=reason))


# Slow heads.


@pytest.mark.parametrize("said", [b"", b"\r\n", b"G", HALF], ids=repr)
async def test_a_head_that_does_not_come_whole_in_time_ends_its_connection(said: bytes) -> None:
    before = counted("head_too_slow")
    async with opened(Limits(connections=3, request_s=60, head_s=SOON)) as (port, door):
        caller = await Caller.at(port, said)
        assert await caller.ends() in {0, 408}
        await until(lambda: door.connections == 0)
    assert counted("head_too_slow") == before + 1


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time() -> None:
    async with opened(Limits(connections=3, request_s=60, head_s=SOON)) as (port, _):
        caller = await Caller.at(port, HALF)
        answer = asyncio.create_task(caller.hears())
        with contextlib.suppress(ConnectionError):
            while not answer.done():
                await caller.say(b"a")
                await asyncio.sleep(0.01)
        assert await answer in {0, 408}
        caller.writer.close()


async def test_between_two_requests_there_is_more_time_than_for_a_head() -> None:
    async with opened(Limits(connections=3, request_s=60, head_s=SOON, idle_s=60)) as (port, _):
        patient, slow = await Caller.at(port, GET), await Caller.at(port, HALF)
        assert await patient.hears() == 200
        assert await slow.ends() == 408
        await patient.say(GET)
        assert await patient.hears() == 200
        patient.writer.close()


# Large heads.


def head_of(size: int) -> bytes:
    """A request whose head has so many bytes, before the empty line."""
    padding = b"X: " + b"x" * 3_000 + b"\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n" + padding * (size // 4_000)
    return head + b"Y: " + b"y" * (size - len(head) - 3) + b"\r\n\r\n"


@pytest.mark.parametrize("step", [1, 1_000, 1_000_000])
@pytest.mark.parametrize(("size", "status"), [(8_192, 200), (8_193, 431), (40_000, 431)])
async def test_a_head_has_a_size_however_it_is_cut(step: int, size: int, status: int) -> None:
    limits = Limits(connections=3, request_s=60, head_s=60, head_bytes=8_192)
    async with opened(limits) as (port, _):
        caller = await Caller.at(port, b"\r\n\r\n")
        said = head_of(size)
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(said), step):
                await caller.say(said[at : at + step])
            await caller.say(bytes(100_000))
        # Where it went on sending, the answer may be overtaken by the end.
        assert await caller.hears() in ({200} if status == 200 else {status, 0})
        caller.writer.close()


async def test_requests_that_come_together_are_answered_one_by_one() -> None:
    async with opened(PATIENT) as (port, _):
        caller = await Caller.at(port, GET * 50 + head_of(1_000) + bytes(100_000) + GET)
        assert [await caller.hears() for _ in range(52)] == [200] * 52
        caller.writer.close()


# Too many.


async def test_who_has_asked_nothing_makes_room_for_somebody_new() -> None:
    before = counted("evicted")
    async with opened(PATIENT) as (port, door):
        half = [await Caller.at(port, HALF) for _ in range(3)]
        await until(lambda: door.connections == 3)
        caller = await Caller.at(port, GET)
        assert await caller.hears() == 200
        assert await half[0].ends() in {0, 408}
        for each in half[1:]:
            await each.say(b"\r\n")
            assert await each.hears() == 200
        assert door.connections == 3
        for each in (caller, *half[1:]):
            each.writer.close()
    assert counted("evicted") == before + 1


async def test_who_has_asked_before_goes_after_those_who_have_not() -> None:
    async with opened(PATIENT) as (port, _):
        known = await Caller.at(port, GET)
        assert await known.hears() == 200
        strangers = [await Caller.at(port) for _ in range(20)]
        for each in strangers[:18]:
            assert await each.ends() == 0
        await known.say(GET)
        assert await known.hears() == 200
        for each in (known, *strangers[18:]):
            each.writer.close()


async def test_whose_request_is_under_way_stays_and_the_new_one_is_told_to_come_again() -> None:
    go, begun = asyncio.Event(), list[int]()

    async def waits(_: web.Request) -> web.Response:
        begun.append(1)
        await go.wait()
        return web.Response()

    before = counted("full")
    async with opened(PATIENT, waits) as (port, _):
        callers = [await Caller.at(port, GET) for _ in range(3)]
        await until(lambda: len(begun) == 3)
        assert await (await Caller.at(port)).ends() == 503
        go.set()
        assert [await each.hears() for each in callers] == [200] * 3
        for each in callers:
            each.writer.close()
    assert counted("full") == before + 1


async def test_who_was_answered_before_its_body_came_makes_room_too() -> None:
    """Such a body may never come: nobody who is refused holds a place with one."""
    async with opened(PATIENT) as (port, _):
        endless = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        strangers = [await Caller.at(port, endless) for _ in range(3)]
        assert [await each.hears() for each in strangers] == [200] * 3
        caller = await Caller.at(port, GET)
        assert await caller.hears() == 200
        for each in (caller, *strangers):
            each.writer.close()


# Answers that nobody reads, and bodies that nobody asked for.


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever() -> None:
    async def tells_much(_: web.Request) -> web.Response:
        return web.Response(body=bytes(50_000_000))

    before = counted("request_too_slow")
    async with opened(Limits(connections=3, request_s=SOON), tells_much) as (port, door):
        caller = await Caller.at(port, GET)
        await until(lambda: counted("request_too_slow") == before + 1)
        await until(lambda: door.connections == 0)
        caller.writer.close()


async def test_who_is_answered_early_may_send_the_rest_and_then_ask_again() -> None:
    body = b"x" * 300_000
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with opened(Limits(connections=3, request_s=60, head_bytes=1_000)) as (port, _):
        caller = await Caller.at(port)
        for _ in range(3):
            await caller.say(post + body[:10])
            assert await caller.hears() == 200
            await caller.say(body[10:])
        caller.writer.close()


async def test_no_more_is_read_ahead_than_a_waiting_post_is_counted_as() -> None:
    """Guards a name of asyncio's."""
    seen = list[int]()

    async def looks(request: web.Request) -> web.Response:
        await until(lambda: request.protocol._reading_paused)
        seen.extend(map(len, request.content._buffer))
        return web.Response()

    async with opened(PATIENT, looks) as (port, _):
        caller = await Caller.at(
            port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        )
        caller.writer.write(bytes(9_000_000))
        assert await caller.hears() == 200
        caller.writer.transport.abort()
    assert seen
    assert max(seen) <= 64 * 1024


# What is no request.

MALFORMED: dict[str, bytes] = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
    "no words": b"\r\n\xff\xfe\x00\r\n\r\n",
    "no method": b"G=T / HTTP/1.1\r\n\r\n",
    "a header without a name": f"GET / HTTP/1.1\r\nHost: x\r\n: {SECRET}\r\n\r\n".encode(),
    "a header with a zero": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: "
    + SECRET.encode()
    + b"\0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length below nought": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "a long line": b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n",
    "a long field": b"GET / HTTP/1.1\r\nHost: x\r\nX: "
    + SECRET.encode()
    + b"x" * 9_000
    + b"\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 500 + b"\r\n",
    "no chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_request_is_counted_and_said_once_without_a_word_of_it(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def all_counted() -> float:
        return counted("malformed") + counted("head_too_large")

    before = all_counted()
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        async with opened(PATIENT) as (port, door):
            for _ in range(3):
                caller = await Caller.at(port, said)
                answer = await caller.reader.read()
                assert b"of-somebody" not in answer
                caller.writer.close()
            await until(lambda: door.connections == 0)
    assert all_counted() >= before + 3
    assert len(lines) == 1
    assert "of-somebody" not in caplog.text + str(lines)
    assert "Traceback" not in caplog.text


async def test_a_mistake_of_ours_is_logged_with_its_stack_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(_: web.Request) -> web.Response:
        raise ZeroDivisionError

    async with opened(PATIENT, fails) as (port, _):
        for _ in range(3):
            caller = await Caller.at(port, GET)
            assert await caller.hears() == 500
            caller.writer.close()
    assert len([record for record in caplog.records if record.name == "aiohttp.server"]) == 1
