"""When a raw message says that it was sent."""

from typing import Any

from models.mparticle.parsing import UnreadableMessageError, parse
from models.mparticle.times import milliseconds

_FIELDS = ("timestamp_unixtime_ms", "timestamp_ms")
"""Of batches, and of the Firehose's messages; of the events in them too."""


def message_time(value: bytes) -> int | None:
    """Milliseconds since the epoch, the latest of a list of messages; None where it says none.

    A message without a time was sent no earlier than its latest event happened.
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
    """What a message or an event says; an event of a batch says it in its `data`."""
    if not isinstance(said, dict):
        return None
    times = (milliseconds(said.get(field)) for field in _FIELDS)
    return next(filter(None, times), None) or _time(said.get("data"))
