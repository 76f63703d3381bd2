"""A network between one client and a server on 127.0.0.1, that can be cut and healed."""

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self

from sandbox.ports import HOST, free_ports

_CHUNK_BYTES = 64 * 1024
# With no time to linger, closing sends a reset: the peer learns of it at once.
_NO_LINGER = struct.pack("ii", 1, 0)


class Proxy:
    """Passes on to `target`, a port, all that comes to its own; use as `async with`.

    `cut` resets every connection, and every new one, as when a host is gone. `black_hole` passes
    nothing on and says nothing, and what was written meanwhile arrives after `heal`, as TCP sends
    again what was lost.
    """

    def __init__(self, target: int = 0) -> None:
        """With target 0 there is nobody to connect to yet, as when it is cut."""
        self.target = target
        self.port = 0
        self._is_cut = False
        self._turned_away = asyncio.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        self.connections: set[asyncio.Task[None]] = set()
        """Those that are open, each with the task that passes on what is said."""

    async def __aenter__(self) -> Self:
        self.port = next(free_ports())
        self._server = await asyncio.start_server(self._connected, HOST, self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        if self.connections:
            await asyncio.wait(self.connections)
        await self._server.wait_closed()

    def cut(self) -> None:
        self._is_cut = True
        for connection in self.connections:
            connection.cancel()

    def black_hole(self) -> None:
        self._flows.clear()

    def heal(self) -> None:
        self._is_cut = False
        self._flows.set()

    async def turns_one_away(self) -> None:
        """Waits until somebody comes for whom there is no way on."""
        self._turned_away.clear()
        await self._turned_away.wait()

    async def _connected(self, asks: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server runs this as a task of its own"
        self.connections.add(task)
        ends = [client]
        try:
            await self._flows.wait()
            if self._is_cut or not self.target:
                self._turned_away.set()
                raise ConnectionResetError
            answers, server = await asyncio.open_connection(HOST, self.target)
            ends.append(server)
            await asyncio.gather(
                self._pump(asks, server, client), self._pump(answers, client, server)
            )
        except (OSError, asyncio.CancelledError):
            # Nobody waits for this task, so being cancelled ends here.
            _reset(*ends)
        else:
            for end in ends:
                end.close()
        finally:
            self.connections.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await source.read(_CHUNK_BYTES):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
            sink.write_eof()
        except OSError:
            _reset(sink, back)


def _reset(*ends: asyncio.StreamWriter) -> None:
    for end in ends:
        connection: socket.socket = end.get_extra_info("socket")
        if connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        end.transport.abort()
