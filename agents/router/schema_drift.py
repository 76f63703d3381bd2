"""Tells what mParticle sends and no model knows, so that a change is seen before it hurts.

Fields that nobody knows are taken out of the message, so that they change nothing, ids included:
mParticle may begin to send one between two times that it sends the same message.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import structlog

from agents.router import event_batch, firehose
from agents.router.route_result import TARGETS, Stranger
from models.event import KINDS, SHAPELESS_KINDS
from models.mparticle import published_fields
from models.mparticle.published_fields import NO_KIND, Fields
from streams import metrics

log = structlog.get_logger()

BATCH = "event_batch"

_MESSAGES: Mapping[str, Fields] = MappingProxyType(
    {
        BATCH: published_fields.event_batch(
            Fields(
                "",
                by="event_type",
                kinds={
                    name: Fields("event_type", {"data": published_fields.event(shape)})
                    for name, shape in event_batch.EVENTS.items()
                }
                | dict.fromkeys(SHAPELESS_KINDS),
            )
        ),
        "event_processing_request": published_fields.event_request(
            Fields(
                "",
                by="type",
                kinds={
                    name: published_fields.event(shape) for name, shape in firehose.EVENTS.items()
                },
            )
        ),
        "audience_subscription_request": published_fields.SUBSCRIPTION_REQUEST,
        "audience_membership_change_request": published_fields.MEMBERSHIP_REQUEST,
        "dsr_processing_request": published_fields.SUBJECT_REQUEST,
    }
)
# Anything but a plain name may be a person's data: not for logs and labels.
TELLABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OTHER = "other"
_NAMED_BY = "`mparticle-streams route` names it, given a message that has it"
_KINDS = KINDS.union(kind for _, kind in TARGETS.values() if kind)


def take_strangers(message: dict[str, Any], type_: str) -> list[Stranger]:
    """Removes from a message the fields that nobody knows; returns them, and unknown event types.

    Events of an unknown type keep all that they say: it is all that is known of them. So does an
    object that lacks what it needs, for its reader to refuse.
    """
    found: list[Stranger] = []
    if not (known := _MESSAGES[type_]).knows(message):
        _search(message, known, (type_,), found)
    return found


def _search(
    node: dict[str, Any], known: Fields, path: tuple[str, ...], found: list[Stranger]
) -> None:
    unknown, present = known.look(tuple(node))
    is_whole = not known.needs or not known.needs.isdisjoint(node)
    for name in unknown:
        if is_whole:
            del node[name]
        found.append(Stranger("field", ".".join((*path, tellable(name)))))
    for name, inside in present:
        if not (below := node[name]):
            continue
        for each in below if type(below) is list else inside.objects(below):
            if type(each) is not dict or inside.plain.issuperset(each):
                continue
            if not inside.by:
                _search(each, inside, (*path, name), found)
            elif (of_kind := inside.of_kind(each)) is not None:
                kind = each[inside.by]
                if of_kind is NO_KIND:
                    found.append(Stranger("event", tellable(kind)))
                else:
                    _search(each, of_kind, (*path, name, kind), found)


def tellable(name: str) -> str:
    """Returns a plain name as it is, and `other` for any other: it may be a person's data."""
    return name if TELLABLE.fullmatch(name) else _OTHER


def told_kind(kind: str) -> str:
    """Returns a kind as headers and `trace` tell it: one that is not published may be a name."""
    return kind if kind in _KINDS else _OTHER


class Drift:
    """Counts strangers by place, and tells each place in the log once.

    Their names are never told: a customer who names fields after people would have these in logs
    and metrics.
    """

    def __init__(self) -> None:
        self._seen = set[tuple[str, str]]()

    def count(self, strangers: Iterable[Stranger]) -> None:
        for (what, place), count in Counter(map(_place, strangers)).items():
            if (what, place) not in self._seen:
                self._seen.add((what, place))
                log.warning("schema_drift", what=what, name=place, what_to_do=_NAMED_BY)
            metrics.DRIFT.labels(what=what, name=place).inc(count)


def _place(stranger: Stranger) -> tuple[str, str]:
    """Returns what it is, and its place: all that is above it has a published name."""
    above, dot, _ = stranger.name.rpartition(".")
    return stranger.what, f"{above}{dot}{_OTHER}"
