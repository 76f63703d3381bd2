"""How the router's tests route: one place in Kafka, one time, and lines to compare."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from faust.types import TP

from agents.router.json_lines import lines_of
from agents.router.raw_message import RawMessage
from agents.router.routing import Routed, route, route_together
from agents.router.settings import RouterSettings
from agents.router.snapshots import PartitionSnapshots, Snapshots
from models.record import RawPosition
from streams import topics
from streams.kafka.record_limits import RecordLimits
from streams.topics import MAX_MESSAGE_BYTES

AT = RawPosition(topic="mparticle-raw", partition=3, offset=41, index=0)
RECEIVED_MS = 1_760_000_100_000


def limits(most: int = MAX_MESSAGE_BYTES, **of_topics: int) -> RecordLimits:
    """What topics take, where no Kafka can be asked."""

    async def told() -> Mapping[str, int]:
        return {topic.name: most for topic in topics.ALL} | of_topics

    return RecordLimits(told)


def routed(message: bytes | object, **settings: Any) -> Routed:
    return route(
        _bytes(message), AT, RECEIVED_MS, RouterSettings(**settings), snapshots=remembering()
    )


def remembering(users: int = 1_000) -> PartitionSnapshots:
    """A memory of a partition's users that has none yet."""
    return Snapshots(users).of(TP(AT.topic, AT.partition))


def together(values: Sequence[bytes]) -> list[Routed]:
    """Each as if nothing had been before it."""
    settings = RouterSettings()
    return route_together(
        [RawMessage(value, AT, RECEIVED_MS, settings, snapshots=remembering()) for value in values]
    )


def together_remembering(messages: Sequence[object], snapshots: PartitionSnapshots) -> list[Routed]:
    chosen = RouterSettings()
    values = map(_bytes, messages)
    return route_together(
        [RawMessage(each, AT, RECEIVED_MS, chosen, snapshots=snapshots) for each in values]
    )


def lines(message: bytes | object, **settings: Any) -> list[dict[str, Any]]:
    return list(lines_of(routed(message, **settings)))


def _bytes(message: bytes | object) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode()
