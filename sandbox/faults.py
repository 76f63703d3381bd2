"""A script of faults: what a simulated service does instead of answering as it should."""

import asyncio
import contextlib
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Annotated, Literal

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, JsonValue, TypeAdapter

_CHUNK_BYTES = 1024 * 1024


class Rule(BaseModel, frozen=True, extra="forbid"):
    """When a fault applies.

    `endpoint` is a method and an endpoint as the request counts name it ("POST user"), `user` any
    part of an identity in the request, `count` how often it happens (None: for ever).
    """

    endpoint: str = "*"
    user: str = ""
    count: Annotated[int, Field(ge=1)] | None = None


Seconds = Annotated[float, Field(ge=0, le=3600)]


class Answer(Rule, frozen=True):
    """Answers at once; a text is sent as it is, in `charset`, any other body as JSON."""

    action: Literal["answer"] = "answer"
    status: Annotated[int, Field(ge=200, le=599)]
    body: JsonValue = None
    headers: dict[str, str] = {}
    charset: Literal["utf-8", "latin-1"] = "utf-8"


class Bomb(Rule, frozen=True):
    """Answers with a few bytes of gzip that unpack to so many; nobody need have asked for gzip."""

    action: Literal["bomb"] = "bomb"
    status: Annotated[int, Field(ge=200, le=599)] = 200
    unpacked: Annotated[int, Field(ge=1, le=1_000_000_000)] = 400_000_000


class Flood(Rule, frozen=True):
    """Answers with a body that has no end."""

    action: Literal["flood"] = "flood"
    status: Annotated[int, Field(ge=200, le=599)] = 200


class Raw(Rule, frozen=True):
    """Writes a text to the connection in place of an answer, each character a byte, and ends it.

    So does what is no web server, or a broken one.
    """

    action: Literal["raw"] = "raw"
    text: Annotated[str, Field(pattern=r"^[\x00-\xff]*$")]


class Delay(Rule, frozen=True):
    """Waits, then goes on as if nothing had been."""

    action: Literal["delay"] = "delay"
    seconds: Seconds


class Hang(Rule, frozen=True):
    """Does nothing, says nothing, and cuts the connection after `seconds`."""

    action: Literal["hang"] = "hang"
    seconds: Seconds = 300.0


class Reset(Rule, frozen=True):
    """Cuts the connection before doing anything."""

    action: Literal["reset"] = "reset"


class EffectWithoutAnswer(Rule, frozen=True):
    """Does what was asked, stays silent for `seconds`, then cuts the connection."""

    action: Literal["effect-without-answer"] = "effect-without-answer"
    seconds: Seconds = 0.0


Fault = Annotated[
    Answer | Bomb | Flood | Raw | Delay | Hang | Reset | EffectWithoutAnswer,
    Field(discriminator="action"),
]
_FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


def load_faults(data: bytes | str) -> list[Fault]:
    """Reads a JSON list of faults; raises ValueError on anything else."""
    return _FAULTS.validate_json(data)


class Script:
    """Faults in order: each request meets the first that applies and is not used up."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._left: list[tuple[Fault, int | None]] = [(fault, fault.count) for fault in faults]

    def take(self, endpoint: str, identity: Callable[[], str]) -> Fault | None:
        for position, (fault, left) in enumerate(self._left):
            if fault.endpoint not in ("*", endpoint):
                continue
            if fault.user and fault.user not in identity():
                continue
            if left == 1:
                del self._left[position]
            elif left is not None:
                self._left[position] = (fault, left - 1)
            return fault
        return None


async def play(
    fault: Fault, request: web.Request, proceed: Callable[[], Awaitable[web.Response]]
) -> web.Response | None:
    """Carries the fault out; `proceed` is the service's own answer. None: the connection is cut."""
    match fault:
        case Answer():
            return _scripted(fault)
        case Bomb():
            return await asyncio.to_thread(_bomb, fault)
        case Flood():
            await _flood(fault, request)
        case Raw():
            await _write(fault.text.encode("latin-1"), request)
            return None
        case Delay(seconds=seconds):
            await asyncio.sleep(seconds)
            return await proceed()
        case Hang(seconds=seconds):
            await asyncio.sleep(seconds)
        case EffectWithoutAnswer(seconds=seconds):
            await proceed()
            await asyncio.sleep(seconds)
        case Reset():
            pass
    _cut(request)
    return None


def _scripted(fault: Answer) -> web.Response:
    if isinstance(fault.body, str):
        body, media_type = fault.body.encode(fault.charset, "replace"), "text/plain"
    elif fault.body is None:
        body, media_type = b"", "text/plain"
    else:
        body, media_type = orjson.dumps(fault.body), "application/json"
    return web.Response(
        status=fault.status, body=body, headers={"Content-Type": media_type, **fault.headers}
    )


def _bomb(fault: Bomb) -> web.Response:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return web.Response(status=fault.status, body=_packed(fault.unpacked), headers=headers)


@cache
def _packed(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    chunk = b" " * min(size, _CHUNK_BYTES)
    packed = bytearray()
    for begin in range(0, size, len(chunk)):
        packed += packer.compress(chunk[: size - begin])
    return bytes(packed + packer.flush())


async def _flood(fault: Flood, request: web.Request) -> None:
    response = web.StreamResponse(status=fault.status)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        while True:
            await response.write(b" " * _CHUNK_BYTES)


async def _write(data: bytes, request: web.Request) -> None:
    if (transport := request.transport) is not None:
        transport.write(data)
        transport.close()


def _cut(request: web.Request) -> None:
    if (transport := request.transport) is not None:
        # With no time to linger the peer sees a reset, as from a process that died.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
