"""The work that all rivals do: the product's own mapping, from raw bytes to records' bytes."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from agents.router.raw_message import RawMessage
from agents.router.routing import Position, Routed, route, route_together
from agents.router.settings import RouterSettings
from streams import headers


class Place(NamedTuple):
    """Where a raw message stands in Kafka."""

    topic: str
    partition: int
    offset: int


SETTINGS = RouterSettings(snapshots="never")
"""Rivals remember nothing of users; what that costs the router is a row of its own."""
AT = Place("mparticle-raw", 0, 0)
RECEIVED_MS = 1_767_225_600_000
_TOGETHER = 50


class Output(Struct, frozen=True):
    """A record ready to be written; the topic's name is without prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def outputs(value: bytes, at: Position, received_at_ms: int) -> list[Output]:
    """For rivals that are handed one message at a time."""
    return _written(route(value, at, received_at_ms, SETTINGS))


def outputs_together(raws: Sequence[RawMessage]) -> list[list[Output]]:
    """For those that fetch many, as many together as the router takes."""
    slices = (raws[first : first + _TOGETHER] for first in range(0, len(raws), _TOGETHER))
    return [_written(routed) for each in slices for routed in route_together(each)]


def _written(routed: Routed) -> list[Output]:
    return [
        Output(
            out.topic.name,
            out.key,
            out.written(),
            headers.make(out.id, out.kind, 0, out.origin),
        )
        for out in routed.outs
    ]
