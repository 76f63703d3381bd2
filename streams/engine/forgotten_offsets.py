"""Notices offsets of a group that are gone: deleted by a person, or forgotten by Kafka.

A partition without an offset may also have been added to its topic since; that one is read from its
beginning (see added_partitions.py), and nothing is wrong.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

from aiokafka import TopicPartition
from faust.types import TP

from streams.engine.refusals import GroupError
from streams.kafka.commit_metadata import Progress

P = TypeVar("P", TP, TopicPartition)


def begun(known: Mapping[P, Progress]) -> dict[str, int]:
    """Returns how many partitions of each topic the group surely had begun, by what is known.

    Of those that were added together, a later one may have an offset before an earlier one has.
    """
    counts: dict[str, int] = {}
    for tp in sorted(known, key=lambda tp: tp.partition):
        count = counts.setdefault(tp.topic, 0)
        counts[tp.topic] = max(count, tp.partition + 1 if tp.partition == count else 0)
    for tp, each in known.items():
        counts[tp.topic] = max(counts[tp.topic], each.sight.begun)
    return counts


def forgotten(wanted: Iterable[P], known: Mapping[P, Progress]) -> list[P]:
    """Returns those without an offset of which the group must have had one, or is to begin.

    What is beyond those of its topic that the group had begun was added: all in it came since.
    Where no commit of its own tells how many these were, as many as any topic has offsets of:
    topics grow together, or one after another. Where no commit tells it of any topic, as offsets
    were set by a person or come from another cluster, or there is none at all, nothing was added.
    """
    told = {tp.topic for tp, each in known.items() if each.sight.begun}
    counts = begun(known)
    most = max(tp.partition + 1 for tp in known) if told else math.inf
    return [
        tp
        for tp in wanted
        if tp not in known and tp.partition < (counts[tp.topic] if tp.topic in told else most)
    ]


def refuse_forgotten(group: str, assigned: Iterable[TP], known: Mapping[TP, Progress]) -> None:
    """Raises GroupError where offsets of a running group are gone: where to go on is not known."""
    if gone := forgotten(assigned, known):
        names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(gone))
        raise GroupError(
            f"Kafka has forgotten how far the group {group} was in {names}, as when the group is "
            "deleted: this worker ends, so that KAFKA_INITIAL_OFFSET is asked anew."
        )
