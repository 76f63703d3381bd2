"""How often the members' topic is read, and when."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.ab_tasty import refresh
from agents.ab_tasty.day_slices import DaySlices
from agents.ab_tasty.refresh import DAY_MS, RefreshPolicy
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import membership, udc
from tests.agents.ab_tasty.flowing import Traced, flowing
from tests.agents.ab_tasty.refreshing import OFTEN, PEOPLE, Days, Worker, members_of, working
from tests.agents.ab_tasty.simulated import TOKEN_PATH, ab_tasty

pytestmark = pytest.mark.kafka


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many days each reading of the partition was for."""
    found: list[int] = []
    read = refresh.read

    async def noted(
        kafka: KafkaSettings, consumer: Any, at: TopicPartition, slices: DaySlices, first: int
    ) -> int:
        end = await read(kafka, consumer, at, slices, first)
        found.append(len(list(slices.due())))
        return end

    monkeypatch.setattr(refresh, "read", noted)
    return found


async def sent_again_by_who_knows_of_no_day(
    to: KafkaSettings, days: Days, policy: RefreshPolicy = OFTEN
) -> list[str]:
    """The rows, in their order. Whoever takes other slices than before knows of no day."""
    async with ab_tasty(clock=days) as (service, url):
        async with working(to, url, days, policy=policy, refresh_interval_days=20) as worker:
            await worker.accept(*(membership(mpid=mpid) for mpid in PEOPLE))
            await worker.accept(membership("left", mpid="1"))
            await worker.day_is_done()
            start = worker.partition.offsets.position
        days.pass_by(21)
        async with working(to, url, days, start, policy=policy) as worker:
            await worker.day_is_done()
            rows = [row for body in worker.sink.bodies for row in body.splitlines()[1:]]
        assert members_of(service) == PEOPLE[1:]
    return rows


async def test_when_no_day_is_known_to_be_done_one_reading_does_for_all(
    to: KafkaSettings, days: Days, readings: list[int]
) -> None:
    rows = await sent_again_by_who_knows_of_no_day(to, days)
    assert readings == [20, 21]
    assert sorted(rows) == sorted(f"{mpid},Lapsed-buyers-31001,true" for mpid in PEOPLE[1:])


async def test_more_members_than_there_is_room_for_are_read_in_parts_and_sent_once(
    to: KafkaSettings, days: Days, readings: list[int]
) -> None:
    small = RefreshPolicy(look_s=0.02, most_members=10)
    rows = await sent_again_by_who_knows_of_no_day(to, days, small)
    assert 3 <= len(readings[1:]) < 21
    assert sum(readings[1:]) == 21
    assert sorted(rows) == sorted(f"{mpid},Lapsed-buyers-31001,true" for mpid in PEOPLE[1:])


async def test_a_partition_that_comes_after_the_first_look_waits_for_no_second(
    to: KafkaSettings, days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    until_others = refresh.until_others

    async def noted(*given: Any) -> None:
        looked.set()
        await until_others(*given)

    monkeypatch.setattr(refresh, "until_others", noted)
    async with ab_tasty(clock=days) as (_, url):
        given = udc(base_url=url, token_url=url + TOKEN_PATH)
        sink = Traced(given, to, days, RefreshPolicy(look_s=DAY_MS / 1000))
        async with flowing(sink) as flow:
            await looked.wait()
            partition = await flow.assign(topic=AUDIENCE_MEMBERSHIP)
            await Worker(to, flow, sink, partition).day_is_done()
            await flow.revoke(partition)
