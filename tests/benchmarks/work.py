"""The work that all rivals do: the product's own mapping, from raw bytes to records' bytes."""

from typing import NamedTuple

from agents.router.routing import Position, route
from agents.router.settings import RouterSettings
from streams import headers


class Place(NamedTuple):
    """Where a raw message stands in Kafka."""

    topic: str
    partition: int
    offset: int


SETTINGS = RouterSettings()
AT = Place("mparticle-raw", 0, 0)
RECEIVED_MS = 1_767_225_600_000


class Output(NamedTuple):
    """A record ready to be written; the topic's name is without prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def outputs(value: bytes, at: Position, received_at_ms: int) -> list[Output]:
    return [
        Output(
            out.topic.name,
            out.key,
            out.written(),
            headers.make(out.id, out.kind, 0),
        )
        for out in route(value, at, received_at_ms, SETTINGS).outs
    ]
