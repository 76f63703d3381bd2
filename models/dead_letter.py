"""What could not go on, where and why: topic `dead-letters`."""

import base64
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from models.record import Shape


def _decoded(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    PlainSerializer(_encoded, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes in Python, base64 text in JSON."""


class DeadLetter(Shape):
    """One record, or one part of a raw message, that can never pass.

    `value` holds the bytes; of what is too large to keep, the first 64 KiB (`truncated`).
    `sha256` and `length` are those of the whole. `detail` is safe: it names places, not values.
    """

    schema_version: int = 1
    stage: Literal["router", "sink"]
    destination: str | None = None
    reason: str
    detail: str = ""
    topic: str
    partition: int
    offset: int
    index: int | None = None
    record_id: str | None = None
    attempts: int = 0
    first_at_ms: int
    last_at_ms: int
    key: Base64 | None = None
    value: Base64
    length: int
    sha256: str
    truncated: bool = False
