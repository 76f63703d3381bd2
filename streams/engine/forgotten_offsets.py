"""Notices offsets of a group that are gone: deleted by a person, or forgotten by Kafka.

A partition without an offset may also have been added to its topic since; that one is read from its
beginning (see added_partitions.py), and nothing is wrong.
"""

import math
from collections.abc import Collection, Iterable
from typing import TypeVar

from aiokafka import TopicPartition
from faust.types import TP

from streams.engine.refusals import GroupError

P = TypeVar("P", TP, TopicPartition)


def forgotten(without_offset: Iterable[P], committed: Collection[P]) -> list[P]:
    """Returns those partitions of which the group must have had an offset, or is to begin.

    Partitions of higher numbers than any that it has an offset of were added: all in them came
    since. Where it has none at all, nothing was added.
    """
    highest = max((tp.partition for tp in committed), default=math.inf)
    return [tp for tp in without_offset if tp not in committed and tp.partition <= highest]


def refuse_forgotten(group: str, without_offset: Iterable[TP], committed: Collection[TP]) -> None:
    """Raises GroupError where offsets of a running group are gone: where to go on is not known."""
    if gone := forgotten(without_offset, committed):
        names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(gone))
        raise GroupError(
            f"Kafka has forgotten how far the group {group} was in {names}, as when the group is "
            "deleted: this worker ends, so that KAFKA_INITIAL_OFFSET is asked anew."
        )
