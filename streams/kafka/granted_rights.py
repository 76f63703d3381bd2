"""Asks Kafka what it grants this process, and what there is of the topics concerned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import (
    DescribeGroupsRequest_v0,
    DescribeGroupsRequest_v3,
    DescribeGroupsResponse_v3,
)
from aiokafka.protocol.api import Request, Response
from aiokafka.protocol.metadata import MetadataRequest_v4, MetadataRequest_v5
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from streams.kafka import clients
from streams.kafka.rights import Operation, Right
from streams.settings import KafkaSettings

# Kafka's AclOperation, of which an answer has a bit for each.
_BITS: Mapping[Operation, int] = {"Read": 3, "Write": 4, "Describe": 8}
# The answer of a broker that tells no rights, as one without an authorizer of Kafka's kind.
_UNSAID = -(2**31)
_UNAUTHORIZED = TopicAuthorizationFailedError.errno


class _MetadataResponse(Response):  # type: ignore[misc] # published without types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _Metadata(MetadataRequest_v5):  # type: ignore[misc] # published without types
    """The first that tells rights (KIP-430); aiokafka 0.14 ends at version 5."""

    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Groups(DescribeGroupsRequest_v3):  # type: ignore[misc] # published without types
    RESPONSE_TYPE = DescribeGroupsResponse_v3


class _AskTopics(Request[MetadataRequest_v4 | _Metadata]):  # type: ignore[misc] # published without types
    API_KEY = 3

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, version: Any) -> Any:
        # No topic comes into being by being asked for.
        asks_rights = (False, True) if version is _Metadata else ()
        return version(list(self._names), False, *asks_rights)


class _AskGroup(Request[DescribeGroupsRequest_v0 | _Groups]):  # type: ignore[misc] # published without types
    API_KEY = 15

    def __init__(self, name: str) -> None:
        self._name = name

    def build(self, version: Any) -> Any:
        return version([self._name], *((True,) if version is _Groups else ()))


@dataclass(frozen=True)
class Granted:
    """One answer of a cluster about some topics.

    `partitions` are counts by name of those that are there; `hidden` may be there or not.
    """

    cluster: str
    partitions: Mapping[str, int]
    hidden: frozenset[str]
    _operations: Mapping[str, int]

    def lacks(self, rights: Iterable[Right]) -> list[Right]:
        """Rights on topics that are not granted; none of what is not said, or not there."""
        return [
            right
            for right in rights
            if right.kind == "topic"
            and (
                right.name in self.hidden
                or not _includes(self._operations.get(right.name, _UNSAID), right.operation)
            )
        ]


def _includes(operations: int, operation: Operation) -> bool:
    return operations == _UNSAID or bool(operations >> _BITS[operation] & 1)


async def look(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Granted:
    """Asks about these topics alone."""
    answer = await admin._send_request(_AskTopics(names))  # noqa: SLF001 - it has no rights to ask for
    told = answer.to_object()
    topics = {each["topic"]: each for each in told["topics"]}
    there = {name: each for name, each in topics.items() if each["partitions"]}
    return Granted(
        told["cluster_id"],
        {name: len(each["partitions"]) for name, each in there.items()},
        frozenset(n for n, each in topics.items() if each["error_code"] == _UNAUTHORIZED),
        {name: each.get("authorized_operations", _UNSAID) for name, each in there.items()},
    )


async def lacking(kafka: KafkaSettings, needed: Iterable[Right]) -> list[Right]:
    """Rights that are not granted; raises KafkaError when Kafka cannot be asked."""
    rights = list(needed)
    async with clients.admin(kafka) as admin:
        topics = dict.fromkeys(right.name for right in rights if right.kind == "topic")
        found = await look(admin, list(topics))
        return [*found.lacks(rights), *await lacking_on_groups(admin, rights)]


def too_little(lacks: Iterable[Right], component: str) -> str:
    """A sentence that says what to grant a component."""
    return (
        f"Kafka grants this user too little: have it granted {'; '.join(map(str, lacks))} "
        f"(mparticle-streams rights {component} prints how)."
    )


async def lacking_on_groups(admin: AIOKafkaAdminClient, rights: Iterable[Right]) -> list[Right]:
    """Rights on groups that are not granted."""
    return [
        right
        for right in rights
        if right.kind == "group" and not await _may(admin, right.name, right.operation)
    ]


async def _may(admin: AIOKafkaAdminClient, group: str, operation: Operation) -> bool:
    try:
        coordinator = await admin.find_coordinator(group)
        answer = await admin._send_request(_AskGroup(group), coordinator)  # noqa: SLF001 - its own misreads the answer
        [described] = answer.to_object()["groups"]
        if error := described["error_code"]:
            raise for_code(error)
    except GroupAuthorizationFailedError:
        return False
    except KafkaError:
        return True  # it may be; whoever joins will be told
    return _includes(described.get("authorized_operations", _UNSAID), operation)
