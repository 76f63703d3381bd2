"""Kafka's protocol from the broker's side, with aiokafka's own tables.

Most of what is said has been said before (heartbeats, fetches of nothing, metadata), so it is
remembered, and on the clients' side too: aiokafka reads and writes the same bytes as without that.
"""

import contextlib
import functools
import io
import marshal
import struct
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

from aiokafka.protocol.api import (
    RequestHeader_v1,
    RequestStruct,
    Response,
    ResponseHeader_v0,
)

_REMEMBERED = 4096
# `marshal` of before references: equal values are equal bytes.
_WITHOUT_REFERENCES = 2
_HEADER = struct.Struct(">hhi")


def decode(frame: bytes) -> tuple[bytes, str, Any]:
    """Returns the correlation id, which the answer bears, the client's own id, and the request."""
    return frame[4:8], *_decode(frame[:4], frame[8:])


def encode(correlation: bytes, request: Any, answer: tuple[Any, ...]) -> bytes:
    plain = marshal.dumps(answer, _WITHOUT_REFERENCES)
    return correlation + _encode(request.API_KEY, request.API_VERSION, plain)


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """What aiokafka has read or written once it does not work out again."""
    with contextlib.ExitStack() as stack:
        for of, name, quicker in (
            (RequestStruct, "encode", _encode_request),
            (RequestHeader_v1, "encode", _encode_header),
            (Response, "decode", classmethod(_decode_answer)),
            (ResponseHeader_v0, "decode", classmethod(_decode_answers_header)),
        ):
            stack.enter_context(mock.patch.object(of, name, quicker))
        yield


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


# -- as clients have it


def _encode_request(request: RequestStruct) -> bytes:
    of: Any = type(request)
    values = [request.__dict__[name] for name in request.SCHEMA.names]
    try:
        plain = marshal.dumps(values, _WITHOUT_REFERENCES)
    except ValueError:  # sets, and views of what a dict holds
        encoded: bytes = request.SCHEMA.encode(values)
        return encoded
    return _encoded_request(of, plain)


@functools.lru_cache(_REMEMBERED)
def _encoded_request(of: type[RequestStruct], values: bytes) -> bytes:
    encoded: bytes = of.SCHEMA.encode(marshal.loads(values))  # noqa: S302 - ours
    return encoded


def _encode_header(header: Any) -> bytes:
    known = _HEADER.pack(header.api_key, header.api_version, header.correlation_id)
    return known + _encoded_name(header.client_id)


@functools.lru_cache(_REMEMBERED)
def _encoded_name(client: str) -> bytes:
    return len(name := client.encode()).to_bytes(2, "big") + name


def _decode_answer(of: Any, data: Any) -> Any:
    answer = object.__new__(of)
    answer.__dict__.update(_decoded_answer(of, data.read()))
    return answer


@functools.lru_cache(_REMEMBERED)
def _decoded_answer(of: type[Response], data: bytes) -> Mapping[str, Any]:
    return dict(zip(of.SCHEMA.names, of.SCHEMA.decode(io.BytesIO(data)), strict=True))


def _decode_answers_header(of: type[ResponseHeader_v0], data: Any) -> ResponseHeader_v0:
    return of(int.from_bytes(data.read(4), "big"))
