"""A proxy as a company's network has it at its edge: it lets HTTPS out by CONNECT, or refuses."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

from sandbox.ports import HOST

_CHUNK_BYTES = 64 * 1024


class EgressProxy:
    """Opens a tunnel to whatever host and port is asked for (RFC 9110, 9.3.6); `async with`.

    The hosts of `names` are on this machine, at the port given there; all others are connected to
    as they are called, as far as they are on this machine.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, int] | None = None,
        logins: Iterable[str] = (),
        refuses: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """One of `logins`, as `user:password`, is needed; `refuses` is the status for everyone."""
        self._names = names or {}
        self._logins = {base64.b64encode(each.encode()).decode() for each in logins}
        self._refuses = refuses
        self._tls = tls
        self._tunnels: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        """What was asked for, as `host:port`."""
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        if self._tunnels:
            await asyncio.wait(self._tunnels)
        await self._server.wait_closed()

    async def _connected(self, asks: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server runs this as a task of its own"
        self._tunnels.add(task)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await self._serve(asks, client)
        client.close()
        self._tunnels.discard(task)

    async def _serve(self, asks: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        head = (await asks.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, *_ = head.split(" ", 2)
        self.asked.append(target)
        if (status := self._refusal(method, head)) is not None:
            page = b"<html>The proxy refuses.</html>"
            challenge = "Proxy-Authenticate: Basic\r\n" if status == 407 else ""  # noqa: PLR2004
            client.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{challenge}"
                f"Content-Length: {len(page)}\r\n\r\n".encode()
                + page
            )
            await client.drain()
            return
        host, _, port = target.rpartition(":")
        answers, server = await asyncio.open_connection(HOST, self._names.get(host, int(port)))
        client.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pump(asks, server))
                ways.create_task(_pump(answers, client))
        except* OSError:
            pass  # one side is gone, and with it the other
        finally:
            server.close()

    def _refusal(self, method: str, head: str) -> int | None:
        if self._logins and not any(f"Basic {login}" in head for login in self._logins):
            return HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        if method != "CONNECT":
            return HTTPStatus.METHOD_NOT_ALLOWED
        return self._refuses


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK_BYTES):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:
        sink.close()
