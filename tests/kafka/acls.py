"""Access control lists of a broker with Kafka's StandardAuthorizer."""

from collections.abc import Iterable
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from streams.kafka import clients
from streams.kafka.rights import Right
from streams.settings import KafkaSettings
from tests.kafka.secured import Secured
from tests.streams.cluster import settings

# Kafka's codes: ResourceType, PatternType, AclOperation, AclPermissionType.
_KINDS = {"topic": 2, "group": 3}
_LITERAL, _ALLOW = 3, 3
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
_ENTRY = (
    ("resource_type", Int8),
    ("resource_name", String("utf-8")),
    ("pattern_type", Int8),
    ("principal", String("utf-8")),
    ("host", String("utf-8")),
    ("operation", Int8),
    ("permission", Int8),
)
_ERROR = (("error_code", Int16), ("error_message", String("utf-8")))


class _CreateResponse(Response):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION = 30, 1
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", Array(*_ERROR)))


class _Create(RequestStruct):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION, RESPONSE_TYPE = 30, 1, _CreateResponse
    SCHEMA = Schema(("creations", Array(*_ENTRY)))


class _DeleteResponse(Response):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION = 31, 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", Array(*_ERROR, ("matching", Array(*_ERROR, *_ENTRY)))),
    )


class _Delete(RequestStruct):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION, RESPONSE_TYPE = 31, 1, _DeleteResponse
    SCHEMA = Schema(("filters", Array(*_ENTRY)))


class _Change(Request[_Create]):  # type: ignore[misc] # published without types
    API_KEY = 30

    def __init__(self, entries: list[tuple[Any, ...]]) -> None:
        self._entries = entries

    def build(self, version: Any) -> Any:
        return version(self._entries)


class _Remove(Request[_Delete]):  # type: ignore[misc] # published without types
    API_KEY = 31

    def __init__(self, entries: list[tuple[Any, ...]]) -> None:
        self._entries = entries

    def build(self, version: Any) -> Any:
        return version(self._entries)


def _entries(user: str, rights: Iterable[Right]) -> list[tuple[Any, ...]]:
    return [
        (
            _KINDS[right.kind],
            right.name,
            _LITERAL,
            f"User:{user}",
            "*",
            _OPERATIONS[right.operation],
            _ALLOW,
        )
        for right in rights
    ]


async def grant(broker: Secured, user: str, rights: Iterable[Right]) -> None:
    await allow(settings(broker.broker, ""), user, rights)


async def allow(to: KafkaSettings, user: str, rights: Iterable[Right]) -> None:
    await _send(to, _Change(_entries(user, rights)))


async def withdraw(broker: Secured, user: str, rights: Iterable[Right]) -> None:
    await _send(settings(broker.broker, ""), _Remove(_entries(user, rights)))


async def _send(to: KafkaSettings, request: Any) -> None:
    async with clients.admin(to) as admin:
        answer = await admin._send_to_controller(request)
    assert not any(each[0] for each in answer.results), answer
