"""Lists the static members of a group, which keep their place while away, and removes one.

A worker with KAFKA_GROUP_INSTANCE_ID leaves its group when its session is over, and not when it
stops: it is to come back before that. One that does not come back is removed by its name (KIP-345).
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from streams.kafka import clients
from streams.settings import KafkaSettings

_POLL_SECONDS = 0.1
_NO_COORDINATOR = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
_TEXT = String("utf-8")
_WITHOUT_A_MEMBER_ID = ""


class Member(NamedTuple):
    """A member of a group; `instance` is None for one that leaves when it stops."""

    instance: str | None
    client: str
    host: str


class _DescribeResponse(Response):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION = 15, 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("group_instance_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _Describe(RequestStruct):  # type: ignore[misc] # published without types
    """The first version that tells of instances; aiokafka 0.14 knows those before."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 15, 4, _DescribeResponse
    SCHEMA = Schema(("groups", Array(_TEXT)), ("include_authorized_operations", Boolean))


class _LeaveResponse(Response):  # type: ignore[misc] # published without types
    API_KEY, API_VERSION = 13, 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "members",
            Array(("member_id", _TEXT), ("group_instance_id", _TEXT), ("error_code", Int16)),
        ),
    )


class _Leave(RequestStruct):  # type: ignore[misc] # published without types
    """The first version that takes instances; aiokafka 0.14 knows those before."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 13, 3, _LeaveResponse
    SCHEMA = Schema(
        ("group", _TEXT),
        ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT))),
    )


class _Ask(Request[_Describe]):  # type: ignore[misc] # published without types
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, version: Any) -> Any:
        return version([self._group], False)


class _Remove(Request[_Leave]):  # type: ignore[misc] # published without types
    API_KEY = 13

    def __init__(self, group: str, instances: Iterable[str]) -> None:
        self._group = group
        self._instances = instances

    def build(self, version: Any) -> Any:
        return version(self._group, [(_WITHOUT_A_MEMBER_ID, each) for each in self._instances])


async def members(kafka: KafkaSettings, group: str) -> Sequence[Member]:
    """All members of a group, by name; none where there is no such group.

    Raises UnansweredError.
    """
    answer = await _ask(kafka, group, _Ask(group))
    [described] = answer.to_object()["groups"]
    return sorted(
        (
            Member(each["group_instance_id"], each["client_id"], each["client_host"])
            for each in described["members"]
        ),
        key=lambda each: (each.instance or "", each.client, each.host),
    )


async def remove(kafka: KafkaSettings, group: str, instances: Sequence[str]) -> Sequence[str]:
    """Puts these out of the group, and returns those that were not in it.

    Their partitions go to the other members at once. Raises UnansweredError.
    """
    answer = await _ask(kafka, group, _Remove(group, instances))
    return [instance for _, instance, code in answer.members if code]


async def _ask(kafka: KafkaSettings, group: str, question: Request[Any]) -> Any:
    async with clients.answering(kafka), clients.admin(kafka) as admin:
        while True:
            try:
                return await _answer(admin, group, question)
            except _NO_COORDINATOR:
                # Brokers that have just come up, or taken over, know of one in a moment.
                await asyncio.sleep(_POLL_SECONDS)


async def _answer(admin: AIOKafkaAdminClient, group: str, question: Request[Any]) -> Any:
    coordinator = await admin.find_coordinator(group)
    answer = await admin._send_request(question, coordinator)  # noqa: SLF001 - its own requests lack these versions
    for code in _errors(answer):
        raise for_code(code)
    return answer


def _errors(answer: Any) -> Iterable[int]:
    told = answer.to_object()
    codes = [told.get("error_code", 0), *(each["error_code"] for each in told.get("groups", ()))]
    # "No such member" may be the answer to a question about another member.
    codes += [
        each["error_code"]
        for each in told.get("members", ())
        if each["error_code"] != UnknownMemberIdError.errno
    ]
    return [code for code in codes if code]
