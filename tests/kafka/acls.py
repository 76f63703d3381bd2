"""Access control lists of a broker with Kafka's StandardAuthorizer."""

import asyncio
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DescribeAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from streams.kafka import clients
from streams.kafka.rights import Operation, Right
from streams.settings import KafkaSettings
from tests.kafka.secured import Secured
from tests.streams.cluster import settings

# Kafka's codes: ResourceType, PatternType, AclOperation, AclPermissionType.
_KINDS: Mapping[Literal["topic", "group"], int] = {"topic": 2, "group": 3}
_ANY, _LITERAL, _ALLOW = 1, 3, 3
_OPERATIONS: Mapping[Operation, int] = {"Read": 3, "Write": 4, "Describe": 8}
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


class _Describe(Request[DescribeAclsRequest_v1]):  # type: ignore[misc] # published without types
    API_KEY = 29

    def __init__(self, principal: str) -> None:
        self._principal = principal

    def build(self, version: Any) -> Any:
        return version(_ANY, None, _ANY, self._principal, None, _ANY, _ANY)


async def grant(broker: Secured, user: str, rights: Iterable[Right]) -> None:
    await allow(settings(broker.broker, ""), user, rights)


async def allow(to: KafkaSettings, user: str, rights: Iterable[Right]) -> None:
    """Grants, and returns once each broker knows."""
    which = set(rights)
    await _change(to, _Change(_entries(user, which)), user, there=which)


async def withdraw(broker: Secured, user: str, rights: Iterable[Right]) -> None:
    """Takes away, and returns once each broker knows."""
    which = set(rights)
    await _change(settings(broker.broker, ""), _Remove(_entries(user, which)), user, gone=which)


def _entries(user: str, rights: Iterable[Right]) -> list[tuple[Any, ...]]:
    return [
        (
            _KINDS[right.kind],
            right.name,
            _LITERAL,
            _principal(user),
            "*",
            _OPERATIONS[right.operation],
            _ALLOW,
        )
        for right in rights
    ]


def _principal(user: str) -> str:
    return f"User:{user}"


async def _change(
    to: KafkaSettings,
    request: Any,
    user: str,
    *,
    there: AbstractSet[Right] = frozenset(),
    gone: AbstractSet[Right] = frozenset(),
) -> None:
    async with clients.admin(to) as admin, asyncio.timeout(30):
        answer = await admin._send_to_controller(request)
        assert not any(each[0] for each in answer.results), answer
        # The controller answers before the brokers have read it in the log of metadata.
        for broker in admin._client.cluster.brokers():
            while (  # noqa: ASYNC110 - a broker tells nobody
                not there <= (known := await _known(admin, broker.nodeId, user)) or gone & known
            ):
                await asyncio.sleep(0.02)


async def _known(admin: AIOKafkaAdminClient, node: int, user: str) -> AbstractSet[Right]:
    """What a broker lets a user do."""
    answer = await admin._send_request_to_node(node, _Describe(_principal(user)))
    assert not answer.error_code, answer
    kinds = {code: kind for kind, code in _KINDS.items()}
    operations = {code: operation for operation, code in _OPERATIONS.items()}
    return {
        Right(operations[operation], kinds[kind], name)
        for kind, name, _pattern, entries in answer.resources
        for _who, _host, operation, _permission in entries
    }
