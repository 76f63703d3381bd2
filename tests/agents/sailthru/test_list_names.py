"""Lists keep the name by which their audience was first seen, at every worker and over restarts."""

import asyncio
from typing import Any

import pytest

from agents.sailthru.topics import SAILTHRU_AUDIENCES
from models.audience import Audience
from models.record import RawPosition
from streams.settings import KafkaSettings
from tests.agents.sailthru.factories import audience, membership
from tests.agents.sailthru.list_workers import members, working
from tests.agents.sailthru.simulated import Simulated
from tests.streams.cluster import read

pytestmark = pytest.mark.kafka

FIRST, SECOND = "Lapsed buyers", "Lost buyers"


def left_after_compaction(name: str) -> Audience:
    """The newest state of an audience, which is all that the topic `audiences` then has of it."""
    return Audience(
        id="about-901",
        received_at_ms=1_767_225_600_000,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
        audience_id="901",
        name=name,
        state="connected",
    )


@pytest.mark.parametrize("seen_in", ["a connect", "a membership"])
async def test_a_worker_that_knows_only_the_new_name_goes_on_with_the_list_of_the_first(
    to: KafkaSettings, sailthru: Simulated, seen_in: str
) -> None:
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        seen = audience(FIRST) if seen_in == "a connect" else membership("user1@shop.example")
        await one.accept(seen)
        await one.ended()
        await other.accept(membership("user2@shop.example", audience=SECOND))
        await other.ended()
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        for worker in (one, other):
            worker.sink.learn(left_after_compaction(SECOND))
        await one.accept(membership("user3@shop.example", audience=SECOND))
        await other.accept(membership("user2@shop.example", joined=False, audience=None))
        await asyncio.gather(one.ended(), other.ended())
        assert one.flow.letters.written == other.flow.letters.written == []
    assert sailthru.list_names() == [FIRST]
    on_it = {email for email, each in sailthru.profiles().items() if FIRST in each["lists"]}
    joined_first = set() if seen_in == "a connect" else {"user1@shop.example"}
    assert on_it == {"user3@shop.example"} | joined_first


async def test_workers_that_see_an_audience_at_once_under_two_names_make_one_list(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        await asyncio.gather(
            one.accept(*(membership(f"user{n}@shop.example", audience=FIRST) for n in range(5))),
            other.accept(
                *(membership(f"user{n}@shop.example", audience=SECOND) for n in range(5, 10))
            ),
        )
        await asyncio.gather(one.ended(), other.ended())
    [name] = sailthru.list_names()
    assert members(sailthru, name) == 10


async def test_a_list_belongs_to_the_audience_that_took_its_name_first(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    """Also when that one is called otherwise by now, and over a restart."""
    user = "user1@shop.example"
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1):
        await one.accept(audience(FIRST), membership(user, audience=FIRST))
        await one.ended()
        await one.accept(audience(SECOND, change="updated"))
        await one.accept(membership(user, audience=f"{FIRST} ", audience_id="902"))
        await one.ended()
    async with working(to, sailthru, 0), working(to, sailthru, 1) as other:
        await other.accept(membership(user, joined=False, audience=SECOND))
        await other.ended()
    assert set(sailthru.list_names()) == {FIRST, f"{FIRST} (902)"}
    assert list(sailthru.profiles()[user]["lists"]) == [f"{FIRST} (902)"]
    kept = await read(to, SAILTHRU_AUDIENCES, 4)
    assert {each.key: each.value for each in kept} == {
        b"901": b'{"audience_id":"901","name":"Lapsed buyers"}',
        b"902": b'{"audience_id":"902","name":"Lapsed buyers "}',
        b"name/lapsed buyers": b'{"owned":"Lapsed buyers","audience_id":"901"}',
        b"name/lapsed buyers (902)": (
            b'{"owned":"Lapsed buyers (902)","audience_id":"902","instead_of":"Lapsed buyers"}'
        ),
    }


async def test_of_workers_that_meet_two_audiences_of_one_name_at_once_one_gives_way(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        for worker, audience_id in ((one, "901"), (other, "902")):
            people = [f"user{n}@of{audience_id}.example" for n in range(5)]
            await worker.accept(*(membership(who, audience_id=audience_id) for who in people))
        await asyncio.gather(one.ended(), other.ended())
    names = set(sailthru.list_names())
    assert names in ({FIRST, f"{FIRST} (901)"}, {FIRST, f"{FIRST} (902)"})
    assert [members(sailthru, name) for name in names] == [5, 5]


async def test_a_list_that_follows_its_audience_takes_no_other_audiences_list(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    follow: dict[str, Any] = {"list_on_rename": "follow"}
    async with working(to, sailthru, 0, **follow) as one, working(to, sailthru, 1, **follow):
        await one.accept(membership("user1@shop.example", audience=FIRST))
        await one.ended()
        await one.accept(membership("user2@shop.example", audience=SECOND, audience_id="902"))
        await one.ended()
        await one.accept(membership("user3@shop.example", audience=SECOND))
        await one.ended()
    assert set(sailthru.list_names()) == {FIRST, SECOND, f"{SECOND} (901)"}


@pytest.mark.parametrize(
    ("changed", "lists"),
    [
        ({"list_on_rename": "follow"}, {FIRST, SECOND}),
        ({"list_name_template": "{audience_id}"}, {"901"}),
    ],
    ids=["follow", "by-id"],
)
async def test_names_that_nothing_hangs_on_follow_the_audience(
    to: KafkaSettings, sailthru: Simulated, changed: dict[str, Any], lists: set[str]
) -> None:
    async with (
        working(to, sailthru, 0, **changed) as one,
        working(to, sailthru, 1, **changed) as other,
    ):
        await one.accept(membership("user1@shop.example", audience=FIRST))
        await other.accept(membership("user2@shop.example", audience=SECOND))
        await asyncio.gather(one.ended(), other.ended())
    assert set(sailthru.list_names()) == lists
