"""The HTTP ports of every process: how little a stranger may have of it before anybody looks.

aiohttp bounds each line and field of a head, and ends connections that say nothing. It does not
bound a head as a whole, nor the time for it once it has begun, nor how many connections there are;
and of each malformed request it logs a stack.
"""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from streams import metrics
from streams.engine.startup import StartError
from streams.logs import Seldom

log = structlog.get_logger()

# Read at a time: what a waiting post is counted as.
_READ_BYTES = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_MAX_FIELDS = 100
# For a sender that was answered before its body came whole, so that it reads the answer.
_LINGER_SECONDS = 2.0
# So many wait at a port until they are let in or sent away, and an event loop may take all of them
# in one turn.
_QUEUE = 128
# Descriptors that a process opens beside connections it let in: Kafka, files, two ports' turn.
_OTHER_DESCRIPTORS = 128 + 2 * _QUEUE
_MIN = 16
_SHUTDOWN_SECONDS = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

FULL, EVICTED = "full", "evicted"
HEAD_TOO_SLOW, HEAD_TOO_LARGE = "head_too_slow", "head_too_large"
REQUEST_TOO_SLOW, MALFORMED = "request_too_slow", "malformed"
_SAYS = {
    FULL: "All connections have a request under way; start more, or raise the limit.",
    EVICTED: "All connections were taken: the one that had waited longest for a request was ended.",
    HEAD_TOO_SLOW: "No head of a request came whole in time.",
    HEAD_TOO_LARGE: "The head of a request was larger than any that is expected.",
    REQUEST_TOO_SLOW: "A request was not over in time: nobody read the answer.",
    MALFORMED: "What came was no HTTP request.",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one port, in connections, seconds and bytes.

    `request_s` is from the end of a head to the last byte of its answer. `idle_s` is what a
    connection may wait for the next request, longer than the proxies in front keep theirs.
    """

    connections: int
    request_s: float
    head_s: float = 10.0
    idle_s: float = 75.0
    head_bytes: int = 16 * 1024


PAGES = Limits(connections=64, request_s=5.0, head_s=5.0)


def descriptors_for(connections: int) -> int:
    """How many connections the process may have, so that pages and Kafka keep their descriptors.

    Raises the process's own limit as far as the machine lets it.
    """
    reserved = PAGES.connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + reserved
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = max(_MIN, soft - reserved)
    log.warning(
        "file_descriptor_limit_low",
        detail=f"{soft} open files are allowed: {allowed} connections instead of {connections}",
        what_to_do="raise the limit of open files (ulimit -n)",
    )
    return allowed


class Door:
    """The connections of one port; `name` is what metrics and log call it.

    Who waits can be sent away for somebody new, those first that have never asked anything. Only
    where each has a request under way the new one is refused.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.limits = limits
        self._name = name
        self._seldom = Seldom()
        self._there = set[Connection]()
        # Dictionaries for their order: who has waited longest is first.
        self._new = dict[Connection, None]()
        self._known = dict[Connection, None]()
        # The series begins at 0, or increase() does not see the first event.
        for reason in _SAYS:
            metrics.TURNED_AWAY.labels(port=name, reason=reason)

    @property
    def connections(self) -> int:
        return len(self._there)

    def enter(self, connection: "Connection") -> bool:
        """Returns whether there is room for it, made if need be."""
        if len(self._there) >= self.limits.connections:
            oldest = next(iter(self._new or self._known), None)
            if oldest is None:
                self.turn_away(FULL)
                return False
            self.leave(oldest)
            oldest.end(EVICTED)
        self._there.add(connection)
        self._new[connection] = None
        return True

    def works(self, connection: "Connection") -> None:
        self._new.pop(connection, None)
        self._known.pop(connection, None)

    def waits(self, connection: "Connection") -> None:
        if connection in self._there:
            self._known[connection] = None

    def leave(self, connection: "Connection") -> None:
        self.works(connection)
        self._there.discard(connection)

    def turn_away(self, reason: str) -> None:
        metrics.TURNED_AWAY.labels(port=self._name, reason=reason).inc()
        if self._seldom.lets(reason):
            log.warning("connection_rejected", name=self._name, reason=reason, detail=_SAYS[reason])

    def tells_fault(self) -> bool:
        """Returns whether to log the stack of a fault of ours: one a minute tells it all."""
        return self._seldom.lets("fault")


class Connection(web.RequestHandler):
    """One connection: measures each head before aiohttp sees it, and has a deadline."""

    __slots__ = (
        "_answered",
        "_deadline",
        "_door",
        "_head_bytes",
        "_last",
        "_line",
        "_reason",
        "_rings_at",
        "_timer",
    )

    def __init__(self, server: web.Server, door: Door) -> None:
        limits = door.limits
        no_log: Any = None
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=no_log,
            auto_decompress=False,
            keepalive_timeout=limits.idle_s,
            lingering_time=_LINGER_SECONDS,
            max_headers=_MAX_FIELDS,
        )
        self._door = door
        # The time at which it is ended and why, while there is such a time.
        self._deadline: float | None = None
        self._reason = ""
        # Looks for that: never later, and mostly earlier, because a timer for each request costs
        # more than one that finds a later deadline.
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        # aiohttp forgets it when it closes, which lasts as long as nobody reads what was written.
        self._line: asyncio.Transport | None = None
        self._answered = 0
        # The bytes that have come of a head that has begun: their number, and the last of them.
        self._head_bytes = 0
        self._last = b""

    @property
    def _is_in_head(self) -> bool:
        """Returns whether bytes belong to a head; aiohttp counts the heads that it has read."""
        return self._request_count == self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        real: Any = transport
        if not self._door.enter(self):
            real.write(_bare(HTTPStatus.SERVICE_UNAVAILABLE))
            real.close()
            self.force_close()
            return
        self._line = real
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.leave(self)
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head and not self._is_small_enough(data):
            self.end(HEAD_TOO_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().data_received(data)
            if not self._is_in_head:
                self._head_bytes, self._last = 0, b""

    def begin(self) -> None:
        """A whole head was read: from now on there is somebody who answers."""
        self._door.works(self)
        self._end_in(self._door.limits.request_s, REQUEST_TOO_SLOW)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        # While what is left of a body is read away, somebody new may have the place.
        self._door.waits(self)
        request.content.on_eof(self._next)
        return finished

    def end(self, reason: str, status: HTTPStatus = HTTPStatus.REQUEST_TIMEOUT) -> None:
        """Ends the connection at once, whoever reads or writes."""
        self._door.turn_away(reason)
        if self._line is not None:
            if self._head_bytes and not self._line.get_write_buffer_size():
                self._line.write(_bare(status))
                self._line.close()
            else:
                self._line.abort()
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Else what was malformed would be quoted, in the answer and with a stack in the log."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        is_large = isinstance(exc, LineTooLong)
        self._door.turn_away(HEAD_TOO_LARGE if is_large else MALFORMED)
        refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if is_large else HTTPStatus.BAD_REQUEST
        response = web.Response(status=refused)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        if isinstance(kw.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            self._door.turn_away(MALFORMED)
        elif self._door.tells_fault():
            super().log_exception(*args, **kw)

    def _is_small_enough(self, data: bytes) -> bool:
        if not self._head_bytes:
            # Empty lines in front of a request are passed over (RFC 9112, 2.2).
            data = data.lstrip(b"\r\n")
        if self._deadline is None:
            self._expect_head()
        joined = self._last + data
        size = self._head_bytes - len(self._last)
        self._head_bytes += len(data)
        self._last = joined[1 - len(_HEAD_END) :]
        end = joined.find(_HEAD_END)
        # The last bytes of what has no end yet may be the beginning of its end.
        size += end if end >= 0 else len(joined) - len(self._last)
        return size <= self._door.limits.head_bytes

    def _next(self) -> None:
        self._deadline = None
        self._answered += 1

    def _expect_head(self) -> None:
        self._end_in(self._door.limits.head_s, HEAD_TOO_SLOW)

    def _end_in(self, seconds: float, reason: str) -> None:
        self._deadline = self._loop.time() + seconds
        self._reason = reason
        if self._timer is None or self._rings_at > self._deadline:
            self._ring_at(self._deadline)

    def _ring_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        # A loop rings as much too early as its clock is fine.
        if self._deadline > self._rings_at:
            self._ring_at(self._deadline)
        else:
            self.end(self._reason)


class _Sips(asyncio.BufferedProtocol):
    """Hands a connection what comes, at most _READ_BYTES at a time: event loops read 256 KB.

    That cannot be the connection itself: uvloop gives what comes to whoever takes bytes as bytes.
    """

    __slots__ = ("_connection", "_into")

    def __init__(self, connection: Connection, into: memoryview) -> None:
        self._connection = connection
        self._into = into

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def get_buffer(self, _: int) -> memoryview:
        return self._into

    def buffer_updated(self, size: int) -> None:
        self._connection.data_received(bytes(self._into[:size]))


def _bare(status: HTTPStatus) -> bytes:
    return (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ).encode()


@web.middleware
async def announce(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tells the connection that its request has somebody who answers it."""
    _begin(request)
    return await handler(request)


def _begin(request: web.BaseRequest) -> None:
    if isinstance(request.protocol, Connection):
        request.protocol.begin()


def _runner(answers: web.Application | Handler) -> web.BaseRunner:
    if isinstance(answers, web.Application):
        answers.middlewares.append(announce)
        return web.AppRunner(answers, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        _begin(request)
        return answers(request)

    return web.ServerRunner(web.Server(answer), shutdown_timeout=_SHUTDOWN_SECONDS)


async def listen(runner: web.BaseRunner, door: Door, host: str | None, port: int) -> asyncio.Server:
    """Opens the port for an application that `announce`s; raises OSError."""
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    # One for all: what was read is handed on before anything else is read.
    into = memoryview(bytearray(_READ_BYTES))
    return await loop.create_server(
        lambda: _Sips(Connection(server, door), into), host, port, backlog=_QUEUE
    )


@contextlib.asynccontextmanager
async def serving(
    answers: web.Application | Handler, door: Door, host: str, port: int, setting: str
) -> AsyncIterator[asyncio.Server]:
    """Serves an application, or every request by one handler, which costs a third less.

    Raises StartError, which names the setting, where it cannot be listened.
    """
    runner = _runner(answers)
    await runner.setup()
    try:
        try:
            server = await listen(runner, door, host, port)
        except OSError as error:
            raise StartError(
                f"{host}:{port} cannot be listened on ({error.strerror}): stop what has it, or set "
                f"{setting}."
            ) from error
        try:
            yield server
        finally:
            server.close()
    finally:
        await runner.cleanup()
