"""Whoever answers as a Kafka does, as far as a test wants it to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.protocol.admin import ApiVersionResponse_v0

HOST: Final = "127.0.0.1"

HELLO: Final = ApiVersionResponse_v0.SCHEMA.encode(
    (0, [(3, 0, 4), (17, 1, 1), (18, 0, 0), (36, 0, 0)])
)
"""The requests that it knows, with their versions: Metadata up to 4, and those of a login."""

# The default of socket.request.max.bytes. A hello of TLS, read as a size, is far beyond it.
_MAX_BYTES = 104_857_600


@asynccontextmanager
async def broker(
    answers: Mapping[int, bytes],
    context: ssl.SSLContext | None = None,
    at: socket.socket | None = None,
) -> AsyncIterator[str]:
    """Answers these requests, by their API keys, and breaks off at any other; gives its address.

    As Kafka does, it also breaks off where a request says that it is larger than any. It listens
    on a port of its own, or on the socket `at`, which is bound.
    """
    served = set[asyncio.Future[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.ensure_future(writer.wait_closed()))
        while True:
            try:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size > _MAX_BYTES:
                    break
                request = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            if (answer := answers.get(int.from_bytes(request[:2], "big"))) is None:
                break
            body = request[4:8] + answer
            writer.write(len(body).to_bytes(4, "big") + body)
        writer.close()

    async with await asyncio.start_server(serve, sock=at or _bound(), ssl=context) as server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    # Whoever was refused lets go of the connection some time after it was told.
    await asyncio.gather(*served, return_exceptions=True)


def _bound() -> socket.socket:
    at = socket.socket()
    at.bind((HOST, 0))
    return at
