"""Reads the body of a post: in time, within the limits, and unpacked."""

import asyncio
import zlib

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from agents.receiver.answers import CUT_OFF, TOO_LARGE, TOO_SLOW, RefusedError
from agents.receiver.room import Claim

_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32


async def read(request: web.Request, claim: Claim, most: int, seconds: float) -> bytes:
    """The message's bytes; raises RefusedError."""
    try:
        async with asyncio.timeout(seconds):
            body = await _read(request, claim, most)
    except TimeoutError:
        raise RefusedError(TOO_SLOW) from None
    except (OSError, web.RequestPayloadError, PayloadEncodingError):
        raise RefusedError(CUT_OFF) from None
    if request.headers.get("Content-Encoding", "").lower() not in _PACKED:
        return body
    claim.grow(len(body) + most)
    return unpack(body, most)


async def _read(request: web.Request, claim: Claim, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            raise RefusedError(TOO_LARGE)
        claim.grow(size)
        parts.append(part)
    return b"".join(parts)


def unpack(body: bytes, most: int) -> bytes:
    """What was packed, never more than `most` bytes of it: else raises RefusedError.

    What cannot be unpacked stays as it came, for the router to set aside.
    """
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error:
        return body
    if len(unpacked) > most:
        raise RefusedError(TOO_LARGE)
    return unpacked if unpacker.eof and not unpacker.unused_data else body
