"""Reads from a raw message when it was sent."""

from typing import Any

from models.mparticle.parsing import UnreadableMessageError, parse
from models.mparticle.times import milliseconds

_FIELDS = ("timestamp_unixtime_ms", "timestamp_ms")
"""The field of batches and that of the Firehose's messages; the events in them have the same."""


def taken_ms(timestamp_ms: int, now_ms: int) -> int:
    """Returns when Kafka took a message, in milliseconds since the epoch: `now_ms` if it says -1.

    It does for messages in the format of before Kafka 0.10, which brokers of before 4.0 store.
    """
    return timestamp_ms if timestamp_ms >= 0 else now_ms


def message_time(value: bytes) -> int | None:
    """Returns when a message was sent, in milliseconds since the epoch; None where it says nothing.

    The latest of a list of messages counts. A message without a time was sent no earlier than its
    latest event happened.
    """
    try:
        message = parse(value)
    except UnreadableMessageError:
        return None
    messages = message if isinstance(message, list) else [message]
    return max(filter(None, map(_message_time, messages)), default=None)


def _message_time(message: Any) -> int | None:
    if not isinstance(message, dict):
        return None
    events = message.get("events")
    happened = map(_time, events if isinstance(events, list) else ())
    return _time(message) or max(filter(None, happened), default=None)


def _time(said: Any) -> int | None:
    """Returns the time of a message or an event; an event of a batch has it in its `data`."""
    if not isinstance(said, dict):
        return None
    times = (milliseconds(said.get(field)) for field in _FIELDS)
    return next(filter(None, times), None) or _time(said.get("data"))
