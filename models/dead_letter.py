"""A record that could not go on, where it stood and why: topic `dead-letters`."""

import base64
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

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

# No partition, offset, length or time has another number: who wrote one was none of ours.
Int32 = Annotated[int, Field(ge=0, lt=2**31)]
Int64 = Annotated[int, Field(ge=0, lt=2**63)]
# Kafka keeps what a producer says, and -1 where it says nothing.
Time = Annotated[int, Field(ge=-(2**63), lt=2**63)]


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
    partition: Int32
    offset: Int64
    index: Int64 | None = None
    record_id: str | None = None
    attempts: Int64 = 0
    first_at_ms: Time
    last_at_ms: Time
    key: Base64 | None = None
    value: Base64
    length: Int64
    sha256: str
    truncated: bool = False
