"""What is known of audiences: whole before anything is sent, and then as it changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from models.audience import Audience
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams.kafka.log_end import LogEnd
from streams.kafka.tables import FollowedTable
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES, USER_UPDATE
from tests.routed import written
from tests.streams.cluster import create, producing, settings, write
from tests.streams.records import RECEIVED_AT_MS

pytestmark = pytest.mark.kafka


def audience(name: str) -> bytes:
    return written(
        Audience(
            id=name,
            audience_id="7",
            name=name,
            state="connected",
            received_at_ms=RECEIVED_AT_MS,
            raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
        )
    ).value


@asynccontextmanager
async def following(to: KafkaSettings, learned: list[str | None]) -> AsyncIterator[FollowedTable]:
    audiences = FollowedTable.of_values(to, AUDIENCES, lambda each: learned.append(each.name))
    task = asyncio.create_task(audiences.run())
    try:
        async with asyncio.timeout(60):
            yield audiences
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_all_that_is_there_is_known_at_once_and_what_comes_later_as_it_comes(
    kafka: Kafka, prefix: str
) -> None:
    to, learned = settings(kafka, prefix), list[str | None]()
    await create(to, [AUDIENCES])
    await write(to, AUDIENCES, audience("new"), audience("renamed"))
    async with following(to, learned) as audiences:
        await audiences.whole()
        at_first = list(learned)
        await write(to, AUDIENCES, audience("renamed again"))
        await audiences.wait_for(partition=0, offset=2)

    assert at_first == ["new", "renamed"]
    assert learned == ["new", "renamed", "renamed again"]


async def test_of_an_empty_topic_all_is_known_at_once(kafka: Kafka, prefix: str) -> None:
    to, learned = settings(kafka, prefix), list[str | None]()
    await create(to, [AUDIENCES])
    async with following(to, learned) as audiences:
        await audiences.whole()

    assert learned == []


async def test_what_cannot_be_read_and_what_was_taken_back_teach_nothing(
    kafka: Kafka, prefix: str
) -> None:
    to, learned = settings(kafka, prefix), list[str | None]()
    await create(to, [AUDIENCES])
    async with producing(to) as producer:
        topic = to.topic(AUDIENCES.name)
        for value in (b"{", None, b'{"kind": "audience"}', audience("known")):
            await producer.send_and_wait(topic, value, key=b"7", partition=0)
    async with following(to, learned) as audiences:
        await audiences.whole()

    assert learned == ["known"]


async def test_the_end_of_a_log_moves_with_what_is_written(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix)
    await create(to, [USER_UPDATE])
    async with LogEnd(to, to.topic(USER_UPDATE.name)) as log_end:
        ends = [await log_end.of(1)]
        await write(to, USER_UPDATE, b"{}", b"{}", partition=1)
        ends += [await log_end.of(1), await log_end.of(0)]

    assert ends == [0, 2, 0]
