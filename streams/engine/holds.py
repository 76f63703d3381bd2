"""Partitions that are held: not fetched, until a person has done something."""

from typing import Literal, NamedTuple, TypeAlias

from faust.types import TP

State: TypeAlias = Literal["offsets_deleted", "unreadable"]


class Hold(NamedTuple):
    """Which of the states of a worker it is in for that, and a sentence that says what is wrong."""

    state: State
    said: str


Holds: TypeAlias = dict[TP, Hold]
