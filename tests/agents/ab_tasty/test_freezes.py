"""A worker that stood still in the middle of a `send` leaves the rest to whoever came after it."""

import pytest

from sandbox.faults import Answer
from streams.settings import KafkaSettings
from tests.agents.ab_tasty.factories import audience, firehose, membership
from tests.agents.ab_tasty.flowing import (
    Traced,
    accept,
    ended,
    flowing,
    log,
    udc_traced,
    values,
)
from tests.agents.ab_tasty.refreshing import Days, kept, working
from tests.agents.ab_tasty.simulated import ab_tasty
from tests.streams.delivery.flow import some_turns

ONE_401 = Answer(endpoint="POST segments", status=401, count=1)


async def test_a_fresh_token_after_a_401_is_no_leave_to_send_what_may_be_old_by_now() -> None:
    async with ab_tasty([ONE_401]) as (service, url), flowing(udc_traced(url)) as frozen:
        old = await accept(frozen, membership(mpid="1"))
        await frozen.until(lambda: service.state()["tokens"] == 2)
        frozen.member = False
        async with flowing(udc_traced(url)) as heir:
            await ended(await accept(heir, membership(mpid="1"), membership("left", mpid="1")))
        await some_turns()
        assert service.counts["POST segments"] == {"401": 1, "202": 1}
        assert old.offsets.watermark == 0
        await frozen.revoke(old)
    assert values(service) == {"1": "false"}


async def test_who_is_sure_again_sends_anew_what_has_come_meanwhile_too_and_nobody_failed() -> None:
    async with ab_tasty([ONE_401]) as (service, url):
        sink = udc_traced(url)
        async with flowing(sink) as flow:
            partition = await accept(flow, membership(mpid="1"))
            await flow.until(lambda: service.state()["tokens"] == 2)
            flow.member = False
            await flow.accept(partition, log([membership("left", mpid="1")], 1))
            await flow.until(lambda: sink.placed == 2)
            await some_turns()
            assert service.state()["rows"] == 0
            assert not flow.delivery.waits_on_purpose
            flow.member = True
            await ended(partition)
    assert sink.bodies[1:] == ["visitor_id,segment,value\n1,Lapsed-buyers-31001,false\n"]
    assert flow.letters.written == []


async def test_a_connect_that_was_sent_does_not_take_the_memberships_along() -> None:
    async with ab_tasty() as (service, url), flowing(Traced(firehose(base_url=url))) as flow:
        partition = await accept(flow, audience(), membership(mpid="1"))
        await flow.until(lambda: service.state()["audiences"])
        flow.member = False
        await some_turns()
        assert service.state()["memberships"] == {}
        flow.member = True
        await ended(partition)
    assert service.state()["memberships"] == {"1": {"31001": "joined"}}


@pytest.mark.kafka
async def test_an_answer_that_comes_to_one_who_was_frozen_makes_nobody_a_member(
    to: KafkaSettings, days: Days
) -> None:
    """Whoever has the partition now may have written that he left, and that must stand."""
    async with ab_tasty(clock=days) as (service, url), working(to, url, days) as worker:
        await worker.accept(membership(mpid="1"))
        await worker.flow.until(lambda: service.state()["rows"])
        worker.flow.member = False
        await some_turns()
        assert await kept(to) == {}
        assert worker.partition.offsets.watermark == 0
        worker.flow.member = True
        await ended(worker.partition)
        assert await kept(to) == {"1/31001": True}
