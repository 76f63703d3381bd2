"""Partitions that are held: not fetched, until a person has done something.

One that Kafka does not let us read goes on by itself when it does again; others at the next start.
"""

from typing import Literal, NamedTuple, TypeAlias

from faust.types import TP

State: TypeAlias = Literal["records_deleted", "unreadable", "kafka_refused"]


class Hold(NamedTuple):
    """The worker's state for a held partition, and a sentence that says what is wrong."""

    state: State
    said: str


Holds: TypeAlias = dict[TP, Hold]
