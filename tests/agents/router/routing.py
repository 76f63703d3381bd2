"""How the router's tests route: one place in Kafka, one time, and lines to compare."""

import json
from collections.abc import Sequence
from typing import Any

from agents.router.lines import lines_of
from agents.router.raw_message import RawMessage
from agents.router.routing import Routed, route, route_together
from agents.router.settings import RouterSettings
from models.record import RawPosition

AT = RawPosition(topic="mparticle-raw", partition=3, offset=41, index=0)
RECEIVED_MS = 1_760_000_100_000


def routed(message: bytes | object, **settings: Any) -> Routed:
    return route(_bytes(message), AT, RECEIVED_MS, RouterSettings(**settings))


def together(values: Sequence[bytes]) -> list[Routed]:
    settings = RouterSettings()
    return route_together([RawMessage(value, AT, RECEIVED_MS, settings) for value in values])


def lines(message: bytes | object, **settings: Any) -> list[dict[str, Any]]:
    return list(lines_of(routed(message, **settings)))


def _bytes(message: bytes | object) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode()
