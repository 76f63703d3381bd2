"""Reads the body of a post: in time, within the limits, and unpacked."""

import asyncio
import zlib
from collections.abc import Iterator

from aiohttp import StreamReader, hdrs, web
from aiohttp.http_exceptions import PayloadEncodingError

from agents.receiver.memory_budget import Claim
from agents.receiver.responses import CUT_OFF, TOO_LARGE, TOO_SLOW, RefusedError

# RFC 9110, 8.4.1: x-gzip is gzip; deflate is zlib's format, and some send it without zlib's frame.
_GZIP = zlib.MAX_WBITS | 16
_ZLIB, _BARE = zlib.MAX_WBITS, -zlib.MAX_WBITS
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
# Unpacked so much at a time: no more is claimed than there is, and bytes are copied but once.
_FED_BYTES = 16 * 1024
_STEP_BYTES = 256 * 1024
# Each costs as much as 10 KB of text; who packs in parallel makes one of every 128 KB.
_MAX_MEMBERS = 1_000


async def read(request: web.BaseRequest, claim: Claim, most: int, seconds: float) -> bytes:
    """The message's bytes; raises RefusedError. The claim is then as large as they are."""
    try:
        body = await _read(request.content, claim, most, seconds)
    except TimeoutError:
        raise RefusedError(TOO_SLOW) from None
    except (OSError, web.RequestPayloadError, PayloadEncodingError):
        raise RefusedError(CUT_OFF) from None
    if hdrs.CONTENT_ENCODING in request.headers:
        coding = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING)).strip().lower()
        if coding in _PACKED:
            body = unpack(body, coding, claim, most)
    claim.shrink(len(body))
    return body


async def _read(content: StreamReader, claim: Claim, most: int, seconds: float) -> bytes:
    # A small one came together with its head: nobody waits for it.
    if content.is_eof():
        body = content.read_nowait()
        _count(len(body), claim, most)
        return body
    parts, size = [], 0
    async with asyncio.timeout(seconds):
        async for part in content.iter_any():
            size += len(part)
            _count(size, claim, most)
            parts.append(part)
    return b"".join(parts)


def _count(size: int, claim: Claim, most: int) -> None:
    if size > most:
        raise RefusedError(TOO_LARGE)
    claim.grow(size)


def unpack(body: bytes, coding: str, claim: Claim, most: int) -> bytes:
    """Returns what was packed, never more than `most` bytes of it; raises RefusedError.

    What ends before its end did not arrive whole. What was never packed, whatever its head says,
    stays as it came, for the router to set aside.
    """
    try:
        return b"".join(_unpacked(body, _form(body, coding), claim, most))
    except zlib.error:
        return body


def _form(body: bytes, coding: str) -> int:
    if coding != "deflate":
        return _GZIP
    # RFC 1950: the first byte names the method, and the first two are a multiple of 31.
    is_framed = body[0:1] != b"" and body[0] & 0x0F == zlib.DEFLATED
    return _ZLIB if is_framed and int.from_bytes(body[:2], "big") % 31 == 0 else _BARE


def _unpacked(body: bytes, form: int, claim: Claim, most: int) -> Iterator[bytes]:
    """RFC 1952, 2.2: gzip's is a series of members, of which each could stand alone."""
    size = at = 0
    for _ in range(_MAX_MEMBERS):
        unpacker, fed = zlib.decompressobj(form), b""
        while not unpacker.eof:
            fed = fed or body[at : (at := at + _FED_BYTES)]
            part = unpacker.decompress(fed, _STEP_BYTES)
            if not part and not fed and not unpacker.eof:
                raise RefusedError(CUT_OFF)
            fed = unpacker.unconsumed_tail
            size += len(part)
            if size > most:
                raise RefusedError(TOO_LARGE)
            claim.grow(len(body) + size)
            yield part
        at = min(at, len(body)) - len(unpacker.unused_data)
        # Zeros fill up a block of a tape; every other reader passes over them too.
        if at == len(body) or (form == _GZIP and not body[at] and not any(body[at:])):
            return
        if form != _GZIP:
            break
    raise zlib.error("something else follows")
