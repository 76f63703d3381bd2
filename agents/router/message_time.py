"""When a raw message says that it was sent."""

from collections.abc import Iterator
from typing import Any

from agents.router.parsing import UnreadableMessageError, parse
from models.mparticle.times import milliseconds

_FIELDS = ("timestamp_unixtime_ms", "timestamp_ms")
"""Of batches, and of the Firehose's messages."""


def message_time(value: bytes) -> int | None:
    """Milliseconds since the epoch, the latest of a list of messages; None where it says none."""
    try:
        message = parse(value)
    except UnreadableMessageError:
        return None
    return max(_times(message if isinstance(message, list) else [message]), default=None)


def _times(messages: list[Any]) -> Iterator[int]:
    for message in messages:
        for field in _FIELDS if isinstance(message, dict) else ():
            if (at_ms := milliseconds(message.get(field))) and at_ms > 0:
                yield at_ms
