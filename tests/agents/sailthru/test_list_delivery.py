"""Who waits for a list, for how long, and what becomes of those who wait in vain."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.sailthru.list_owner import ListWanted
from agents.sailthru.topics import SAILTHRU_LISTS
from models.list_state import ListState
from sandbox.faults import Answer, Delay, EffectWithoutAnswer
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.sailthru.factories import attributes, audience
from tests.agents.sailthru.list_workers import members, named, people, until, working
from tests.agents.sailthru.simulated import Simulated
from tests.streams.cluster import producing, read
from tests.streams.records import new_partition

pytestmark = pytest.mark.kafka

OURS, THEIRS = named(0), named(1)
BAD_NAME = Answer(endpoint="POST list", status=400, body={"error": 99})


async def test_only_the_users_of_a_list_wait_for_it_and_hold_no_connection(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru, 0, connections=1) as one:
        await one.accept(
            *people(5, THEIRS),
            *people(5, OURS, start=5),
        )
        await until(lambda: members(sailthru, OURS) == 5)
        await until(lambda: one.partition.offsets.waiting == 5)
        assert one.flow.delivery.waits_on_purpose
        async with working(to, sailthru, 1):
            await one.ended()
    assert members(sailthru, THEIRS) == 5
    assert sorted(sailthru.list_names()) == sorted([OURS, THEIRS])
    assert sailthru.requests() == {"GET list": 2, "POST list": 2, "POST user": 10}


async def test_the_lists_of_a_partition_that_is_held_are_made_by_whoever_has_it(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    """Its own memberships wait for a person; those of others need its lists all the same."""
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        held = new_partition(topic=other.partition.tp.topic, number=1)
        held.is_held = True
        await other.flow.revoke(other.partition)
        await other.flow.delivery.held([held])
        await one.accept(*people(3, THEIRS))
        await one.ended()
    assert members(sailthru, THEIRS) == 3


async def test_an_audience_that_is_connected_has_its_list_made_by_the_owner_too(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        await one.accept(audience(THEIRS, audience_id=THEIRS), audience(OURS, audience_id=OURS))
        await other.accept(audience(OURS, audience_id=OURS), *people(2, THEIRS))
        await asyncio.gather(one.ended(), other.ended())
    assert sorted(sailthru.list_names()) == sorted([OURS, THEIRS])
    assert sailthru.requests()["POST list"] == 2


async def test_a_list_that_is_ready_is_not_asked_for_by_a_worker_that_starts_later(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru) as first:
        await first.accept(*people(1, OURS))
        await first.ended()
    async with working(to, sailthru) as second:
        await second.accept(*people(1, OURS, start=1))
        await second.ended()
    assert sailthru.requests() == {"GET list": 1, "POST list": 1, "POST user": 2}


async def test_members_of_a_list_that_is_refused_become_dead_letters_that_say_so(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    sailthru.service.set_faults([BAD_NAME])
    async with working(to, sailthru) as worker:
        await worker.accept(*people(3, OURS))
        await worker.ended()
        letters = worker.flow.letters.written
    assert {
        (each.reason, each.detail) for each in letters if each.topic == AUDIENCE_MEMBERSHIP.name
    } == {("refused", "its list: error 99, HTTP 400: Sailthru refuses the request")}
    assert len(letters) == 3 + 1  # and the wish for the list itself
    assert "POST user" not in sailthru.requests()


async def test_one_audience_whose_list_is_refused_does_not_hold_the_others(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    """The list is what is refused, and counts once, however many are to be on it."""
    bad = named(0, start=100)
    async with working(to, sailthru, max_rejected_share=0.01) as worker:
        await worker.accept(*people(3, OURS))
        await worker.ended()
        sailthru.service.set_faults([BAD_NAME])
        with capture_logs() as lines:
            await worker.accept(*people(60, bad), *people(3, OURS, start=100))
            await worker.ended()
        assert worker.flow.delivery.blocked is None
        assert len(worker.flow.letters.written) == 60 + 1  # and the wish for the list itself
    assert members(sailthru, OURS) == 6
    [line] = [line for line in lines if line["event"] == "list_refused"]
    assert (line["name"], line["reason"]) == (bad, "refused")
    assert "SAILTHRU_AUDIENCES_DENY" in line["what_to_do"]


async def test_members_of_refused_lists_hold_a_worker_where_most_lists_are_refused(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    """Then it is no audience's name, but the setting by which all lists are named."""
    sailthru.service.set_faults([BAD_NAME])
    lists = sorted({named(0, start) for start in range(100)})[:3]
    async with working(to, sailthru, max_rejected_share=0.01) as worker:
        for name in lists:
            await worker.accept(*people(20, name))
        await until(lambda: worker.flow.delivery.blocked is not None)
        blocked = worker.flow.delivery.blocked
    assert blocked is not None
    assert blocked.reason == "too_many_rejections"
    assert "SAILTHRU_LIST_NAME_TEMPLATE" in blocked.what_to_do


async def test_a_list_that_could_not_be_made_for_long_is_no_longer_waited_for(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru) as worker:
        await worker.accept(*people(1, THEIRS))
        [_] = await read(to, SAILTHRU_LISTS, 1)  # that it is wanted
        wish = ListWanted(
            name=THEIRS, **attributes().model_dump(include={"id", "received_at_ms", "raw"})
        )
        await worker.sink.on_dead_letter(wish, 0)
        await worker.ended()
        [letter] = worker.flow.letters.written
    assert letter.reason == "retries_exhausted"


@pytest.mark.parametrize(
    "fault",
    [
        Answer(endpoint="GET list", status=503, count=3),
        Answer(endpoint="POST list", status=500, count=7),
        Answer(endpoint="POST list", status=429, body={"error": 43}, count=1),
        EffectWithoutAnswer(endpoint="POST list", count=1),
    ],
)
async def test_a_list_that_cannot_be_made_for_now_costs_nobody_anything(
    to: KafkaSettings, sailthru: Simulated, fault: Any
) -> None:
    sailthru.service.set_faults([fault])
    async with working(to, sailthru, timeout_s=0.1) as worker:
        await worker.accept(*people(2, OURS))
        await worker.ended()
        assert worker.flow.letters.written == []
    assert sailthru.list_names() == [OURS]
    assert members(sailthru, OURS) == 2


async def test_an_owner_with_a_wrong_key_says_so_and_goes_on_when_it_is_mended(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    wrong_key = Answer(endpoint="GET list", status=403, body={"error": 3})
    sailthru.service.set_faults([wrong_key])
    async with working(to, sailthru) as worker:
        await worker.accept(*people(1, OURS))
        await until(lambda: worker.flow.delivery.blocked is not None)
        sailthru.service.set_faults([])
        await worker.ended()
        assert worker.flow.delivery.blocked is None
    assert members(sailthru, OURS) == 1


async def test_a_list_that_somebody_deletes_is_made_again(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru, 0) as one, working(to, sailthru, 1) as other:
        await other.accept(*people(1, OURS))
        await other.ended()
        sailthru.service.forget()
        sailthru.service.set_faults(
            [Answer(endpoint="POST user", status=404, body={"error": 15}, count=1)]
        )
        await other.accept(*people(1, OURS, start=1))
        await other.ended()
        await one.accept(*people(1, OURS, start=2))
        await one.ended()
    assert sailthru.list_names() == [OURS]
    assert members(sailthru, OURS) == 2


async def test_an_owner_that_loses_its_partition_while_it_looks_does_not_post(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    sailthru.service.set_faults([Delay(endpoint="GET list", seconds=0.3, count=1)])
    async with working(to, sailthru) as worker:
        await worker.accept(*people(1, OURS))
        await until(lambda: sailthru.service.begun["GET list"] == 1)
        await worker.flow.revoke(worker.partition)
    assert sailthru.requests() == {"GET list": 1}


async def test_what_was_wanted_before_a_takeover_is_left_alone_for_one_request(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    wanted = ListState(state="wanted").model_dump_json().encode()
    async with producing(to) as producer:
        await producer.send_and_wait(to.topic(SAILTHRU_LISTS.name), wanted, key=OURS.encode())
    now = asyncio.get_running_loop().time
    began = now()
    async with working(to, sailthru):
        await until(lambda: sailthru.list_names() == [OURS])
        assert now() - began >= 0.5


async def test_the_topic_says_that_a_list_was_wanted_and_is_ready(
    to: KafkaSettings, sailthru: Simulated
) -> None:
    async with working(to, sailthru) as worker:
        await worker.accept(*people(3, OURS))
        await worker.ended()
    records = await read(to, SAILTHRU_LISTS, 2)
    assert [(record.key, record.value) for record in records] == [
        (OURS.encode(), b'{"state":"wanted"}'),
        (OURS.encode(), b'{"state":"ready"}'),
    ]
