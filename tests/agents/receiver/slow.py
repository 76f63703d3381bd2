"""A post whose body comes bit by bit."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

from tests.agents.receiver.served import TOKEN


@dataclass
class SlowPost:
    """Of `size` bytes, or in chunks when that is None."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _size: int | None

    @classmethod
    async def begin(cls, port: int, size: int | None) -> Self:
        """Sends the head, and of a body of known size the first byte."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
        head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\n{length}\r\n\r\n"
        writer.write(head.encode() + (b"" if size is None else b"x"))
        await writer.drain()
        return cls(reader, writer, size)

    async def send_chunk(self, part: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def end(self) -> None:
        """Sends the rest."""
        self._writer.write(b"0\r\n\r\n" if self._size is None else b"x" * (self._size - 1))
        await self._writer.drain()

    async def break_off(self) -> None:
        self._writer.transport.abort()

    async def answer(self) -> int:
        """The status; it ends the connection."""
        async with asyncio.timeout(60):
            line = await self._reader.readline()
        self._writer.close()
        return int(line.split()[1])

    async def answered_or_end(self) -> int:
        """The status, which an overfull receiver may tell before the end."""
        with contextlib.suppress(ConnectionError):
            await self.end()
        return await self.answer()
