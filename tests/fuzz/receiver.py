"""The receiver over HTTP, given hostile heads and bodies: each is answered or cut off."""

import asyncio
import gzip
import time
import traceback
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from aiohttp import web

from agents.receiver.envelope import look
from agents.receiver.receiver import Receiver
from agents.receiver.responses import RefusedError
from agents.receiver.server import limits
from agents.receiver.settings import ReceiverSettings
from streams import metrics
from streams.topics import MAX_MESSAGE_BYTES
from streams.worker.connection_limits import Door, serving
from tests.fuzz import budget
from tests.fuzz.hostile import hostile

_TOKEN = "invented-token-of-mparticle"
_HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token " + _TOKEN.encode()
_ANSWERS = frozenset({200, 202, 400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 503})
# Head and body have a second each.
_SECONDS = 30.0
_CONNECTIONS = 16


class _Takes:
    """Stands where a Writer stands, on a Kafka that takes everything."""

    def __init__(self) -> None:
        self.most = MAX_MESSAGE_BYTES
        self.is_away = False
        self.taken = 0

    async def write(self, _key: bytes | None, value: bytes, claim: Any) -> None:
        claim.keep()
        await asyncio.sleep(0)
        self.taken += len(value)
        claim.release()


class _Watched(Receiver):
    """Keeps what is no refusal."""

    def __init__(self, settings: ReceiverSettings, writer: Any, faults: list[str] | None) -> None:
        super().__init__(settings, writer)
        self._faults = [] if faults is None else faults

    async def _take(self, request: web.BaseRequest) -> web.Response:
        try:
            return await super()._take(request)
        except RefusedError:
            raise
        except Exception:
            self._faults.append(traceback.format_exc())
            raise


async def attack(number: int) -> tuple[int, list[str]]:
    """Bytes sent, and what was wrong."""
    random = Random(number)
    sent = [_post(random) for _ in range(random.randrange(1, _CONNECTIONS))]
    wrong = _looked(random)
    faults: list[str] = []
    async with served(faults) as port:
        statuses = await asyncio.gather(*(_exchange(port, each) for each in sent))
        wrong += [f"answered {each}" for each in statuses if each not in _ANSWERS | {None}]
        good = _HEAD + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        if (status := await _exchange(port, [good])) != 202:
            wrong.append(f"a good post afterwards is answered {status}")
    wrong += faults
    if held := _count("receiver_in_flight_bytes"):
        wrong.append(f"{held} bytes are still claimed")
    return sum(len(part) for each in sent for part in each), wrong


def _looked(random: Random) -> list[str]:
    """What is looked up in a body, for the loop stands still meanwhile."""
    value = hostile(random).value
    spent = min(_timed(value) for _ in range(2))
    most = budget.most_seconds(len(value))
    return [f"slow: look took {spent:.2f} s, {most:.2f} may be"] if spent > most else []


def _timed(value: bytes) -> float:
    began = time.process_time()
    look(value)
    return time.process_time() - began


def _count(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"mparticle_streams_{name}", labels) or 0.0


@asynccontextmanager
async def served(faults: list[str] | None = None) -> AsyncIterator[int]:
    """The port of a receiver whose Kafka takes everything; what is its own fault goes there."""
    settings = ReceiverSettings(token=_TOKEN, timeout_s=1.0, header_timeout_s=1.0)
    writer: Any = _Takes()
    receiver, door = _Watched(settings, writer, faults), Door("posts", limits(settings))
    async with serving(receiver.answer, door, "127.0.0.1", 0, "RECEIVER_PORT") as server:
        yield server.sockets[0].getsockname()[1]


def _post(random: Random) -> list[bytes]:
    """A head and a body, in the parts in which they are sent."""
    body, encoding = _body(random)
    lines = [_HEAD]
    if encoding:
        lines.append(b"Content-Encoding: " + encoding)
    lines += [_line(random) for _ in range(random.choice((0, 0, 1, 3, 150)))]
    match random.randrange(5):
        case 0:
            lines.append(b"Transfer-Encoding: chunked")
            body = _chunked(body, random)
        case 1:
            longer = random.choice((-1, 1, 10**6, 10**18))
            lines.append(b"Content-Length: %d" % (len(body) + longer))
        case _:
            lines.append(b"Content-Length: %d" % len(body))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if random.random() < 1 / 4:
        place = random.randrange(len(head))
        head = head[:place] + random.randbytes(random.randrange(4)) + head[place + 1 :]
    whole = head + body
    if random.random() < 1 / 6:
        whole = whole[: random.randrange(len(whole) + 1)]
    places = sorted(random.randrange(len(whole) + 1) for _ in range(random.randrange(4)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def _body(random: Random) -> tuple[bytes, bytes]:
    """A body and how it says to be encoded; not always as it is."""
    body, encoding = hostile(random).value, b""
    match random.randrange(6):
        case 0:
            body, encoding = gzip.compress(body, 1), b"gzip"
        case 1:
            body, encoding = zlib.compress(body, 1), b"deflate"
        case 2:
            body, encoding = gzip.compress(b"\0" * random.randrange(40_000_000), 1), b"gzip"
        case 3:
            encoding = random.choice((b"gzip", b"br", b"gzip, gzip", b"\xff", b"identity"))
        case _:
            pass
    if encoding and random.random() < 1 / 3:
        place = random.randrange(len(body) + 1)
        body = body[:place] + random.randbytes(3) + body[place + random.randrange(9) :]
    return body, encoding


def _line(random: Random) -> bytes:
    """A header: known or unknown, long, empty, folded, of bytes that no header may have."""
    name = random.choice(
        (
            b"X-A",
            b"Expect",
            b"Connection",
            b"Upgrade",
            b"Host",
            b"Authorization",
            b"",
            b"X\0",
            b"\xff",
        )
    )
    value = random.choice(
        (
            b"",
            b"a",
            b"100-continue",
            b"websocket",
            b"close",
            b"\xff\xfe",
            b"a\r\n b",
            b"\0",
            b"a" * 9_000,
        )
    )
    return name + b": " + value


def _chunked(body: bytes, random: Random) -> bytes:
    size = random.choice((1_000, 65_536, len(body) or 1))
    parts = [body[place : place + size] for place in range(0, min(len(body), 200 * size), size)]
    end = random.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"zz\r\n", b"-1\r\n\r\n"))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


async def _exchange(port: int, parts: list[bytes]) -> int | None:
    """The status of the first answer; None without one, and 0 where the connection stays."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(_SECONDS):
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                line = await reader.readline()
                if line.startswith(b"HTTP/1.1 100 "):
                    await reader.readline()
                    line = await reader.readline()
            except (ConnectionError, ValueError):
                return None
    except TimeoutError:
        return 0
    finally:
        writer.close()
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None
