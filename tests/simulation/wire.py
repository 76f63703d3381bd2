"""Kafka's protocol from the broker's side, with aiokafka's own tables.

Most of what is said has been said before (heartbeats, fetches of nothing, metadata), so it is
remembered.
"""

import functools
import io
import marshal
from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka.protocol.api import RequestHeader_v1, RequestStruct

_REMEMBERED = 4096


def decode(frame: bytes) -> tuple[bytes, str, Any]:
    """Returns the correlation id, which the answer bears, the client's own id, and the request."""
    return frame[4:8], *_decode(frame[:4], frame[8:])


def encode(correlation: bytes, request: Any, answer: tuple[Any, ...]) -> bytes:
    return correlation + _encode(request.API_KEY, request.API_VERSION, marshal.dumps(answer))


def _classes(of: type[Any]) -> Iterator[type[Any]]:
    for each in of.__subclasses__():
        yield each
        yield from _classes(each)


@functools.cache
def _kinds() -> Mapping[tuple[int, int], type[RequestStruct]]:
    """Those of aiokafka, and those that the product adds: they must have been imported by now."""
    return {
        (each.API_KEY, each.API_VERSION): each
        for each in _classes(RequestStruct)
        if not each.FLEXIBLE_VERSION
    }


@functools.lru_cache(_REMEMBERED)
def _decode(kind: bytes, rest: bytes) -> tuple[str, Any]:
    read = io.BytesIO(kind + bytes(4) + rest)
    header = RequestHeader_v1.SCHEMA.decode(read)
    return header[3] or "", _kinds()[header[0], header[1]].decode(read)


@functools.lru_cache(_REMEMBERED)
def _encode(key: int, version: int, answer: bytes) -> bytes:
    encoded: bytes = _kinds()[key, version].RESPONSE_TYPE.SCHEMA.encode(marshal.loads(answer))  # noqa: S302 - ours
    return encoded
