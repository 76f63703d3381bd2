"""What a group has committed is not taken for nothing because Kafka cannot tell just now."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3

from sandbox.kafka import Kafka
from streams.engine.startup import read_progress
from streams.kafka.commit_metadata import Progress, encode
from streams.topics import RAW
from tests.streams.cluster import assigned, commit, create, prepare, settings, write

pytestmark = pytest.mark.kafka

UNKNOWN_TOPIC, LOADING, NOT_AVAILABLE, NOT_COORDINATOR, NOT_ALLOWED = 3, 14, 15, 16, 30
"""Error codes of the protocol."""


def answer(topic: str, of_all: int, of_each: int | None = None) -> OffsetFetchResponse_v3:
    """As a broker answers: with an error of all of it there are no partitions in it."""
    partitions = [] if of_each is None else [(topic, [(0, -1, "", of_each)])]
    return OffsetFetchResponse_v3(0, partitions, of_all)


@pytest.fixture
def first_answers(monkeypatch: pytest.MonkeyPatch) -> list[OffsetFetchResponse_v3]:
    """What is answered to the first requests for offsets, in place of what Kafka says.

    aiokafka also asks of its own accord, so there must be more than one.
    """
    answers: list[OffsetFetchResponse_v3] = []
    send = GroupCoordinator._send_req

    async def sent(self: GroupCoordinator, request: Any) -> Any:
        if isinstance(request, OffsetFetchRequest) and answers:
            return answers.pop(0)
        return await send(self, request)

    monkeypatch.setattr(GroupCoordinator, "_send_req", sent)
    return answers


@pytest.mark.parametrize(
    ("of_all", "of_each"),
    [
        (LOADING, None),
        (NOT_AVAILABLE, None),
        (NOT_COORDINATOR, None),
        (0, LOADING),
        (0, NOT_COORDINATOR),
        (0, UNKNOWN_TOPIC),
    ],
)
async def test_a_coordinator_that_cannot_tell_yet_is_asked_again(
    kafka: Kafka,
    prefix: str,
    first_answers: list[OffsetFetchResponse_v3],
    of_all: int,
    of_each: int | None,
) -> None:
    to, name, group = settings(kafka, prefix, partitions=1), f"{prefix}{RAW.name}", f"{prefix}g"
    await create(to)
    await write(to, RAW, b"{}", b"{}", b"{}")
    here = Progress(2, epoch=7)
    await commit(to, group, {(name, 0): (2, encode(here, "C"))})
    first_answers += [answer(name, of_all, of_each)] * 5
    async with assigned(to, group, [(name, 0)]) as consumer:
        (start,) = (await read_progress(consumer, consumer.assignment(), "C")).values()
    assert start == here


async def test_a_group_is_not_begun_anew_while_its_coordinator_loads(
    kafka: Kafka, prefix: str, first_answers: list[OffsetFetchResponse_v3]
) -> None:
    to, name, group = settings(kafka, prefix, partitions=1), f"{prefix}{RAW.name}", f"{prefix}g"
    await create(to)
    await write(to, RAW, b"{}", b"{}", b"{}")
    await commit(to, group, {(name, 0): (2, "as it was")})
    first_answers += [answer(name, LOADING)] * 5
    await prepare(to, group, [RAW])
    async with assigned(to, group, [(name, 0)]) as consumer:
        assert await consumer.committed(TopicPartition(name, 0)) == 2


async def test_who_may_not_ask_is_told_so(
    kafka: Kafka, prefix: str, first_answers: list[OffsetFetchResponse_v3]
) -> None:
    to, name = settings(kafka, prefix, partitions=1), f"{prefix}{RAW.name}"
    await create(to)
    first_answers += [answer(name, NOT_ALLOWED)] * 20
    async with assigned(to, f"{prefix}g", [(name, 0)]) as consumer:
        with pytest.raises(GroupAuthorizationFailedError):
            await read_progress(consumer, consumer.assignment(), "C")
