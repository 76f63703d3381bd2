"""The delivery, the sink and a simulated AB Tasty together, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from sandbox.faults import Answer
from sandbox.server import running
from streams.delivery.policy import DeliveryPolicy, RetryPolicy
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import audience, firehose, membership
from tests.agents.ab_tasty.flowing import (
    Traced,
    accept,
    ended,
    flowing,
    log,
    reason_of,
    udc_traced,
    values,
)
from tests.agents.ab_tasty.simulated import ab_tasty
from tests.streams.delivery.flow import some_turns

POISON = 613
# Among those that cost twelve requests, and thirteen if the last suspect were tried too.
WORST = 2
ROWS = 1_000


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("poison", [0, WORST, POISON, ROWS - 1])
async def test_one_refused_row_in_a_thousand_costs_itself_alone_and_thirteen_requests_at_most(
    poison: int, status: int
) -> None:
    people = [str(10_000 + number) for number in range(ROWS)]
    refused = Answer(endpoint="POST segments", user=people[poison], status=status)
    async with ab_tasty([refused]) as (service, url):
        sink = udc_traced(url)
        async with flowing(sink) as flow:
            sink.gate.clear()
            partition = await accept(flow, membership(mpid="1"))
            await flow.until(lambda: sink.bodies)
            await flow.accept(partition, log([membership(mpid=mpid) for mpid in people], 1))
            await flow.until(lambda: sink.placed == 1 + ROWS)
            sink.gate.set()
            await ended(partition)
    _, first, *others = sink.bodies
    assert first.count("\n") - 1 == ROWS
    assert len([first, *others]) <= 13
    assert service.state()["rows"] == 1 + ROWS - 1
    good = ["1", *(mpid for mpid in people if mpid != people[poison])]
    assert values(service) == dict.fromkeys(good, "true")
    assert [letter.offset for letter in flow.letters.written] == [1 + poison]


async def test_an_upload_that_is_too_large_is_split_and_nothing_of_it_is_lost() -> None:
    people = [str(10_000 + number) for number in range(100)]
    async with ab_tasty(max_rows=20) as (service, url), flowing(udc_traced(url)) as flow:
        await ended(await accept(flow, *(membership(mpid=mpid) for mpid in people)))
    assert values(service) == dict.fromkeys(people, "true")
    assert service.state()["rows"] == len(people)
    assert flow.letters.written == []


async def test_the_first_change_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    async with ab_tasty() as (service, url):
        sink = udc_traced(url)
        async with flowing(sink) as flow:
            partition = await accept(flow, membership(mpid="1"))
            await some_turns()
            assert sink.bodies, "it waited for time to pass"
            await flow.accept(partition, log([membership(mpid=str(n)) for n in range(2, 52)], 1))
            await ended(partition)
    assert [body.count("\n") - 1 for body in sink.bodies] == [1, 50]
    assert sink.most_at_once == 1
    assert service.state()["files"] == 2


async def test_a_partition_has_one_upload_in_flight_and_others_do_not_wait_for_it() -> None:
    async with ab_tasty() as (_, url):
        sink = udc_traced(url, batch_max_rows=1)
        async with flowing(sink) as flow:
            alone = await accept(flow, *(membership(mpid=str(n)) for n in range(20)))
            await ended(alone)
            assert sink.most_at_once == 1
            several = [await flow.assign(number=n, topic=AUDIENCE_MEMBERSHIP) for n in (1, 2, 3)]
            for partition in several:
                number = partition.tp.partition
                changes = [membership(mpid=f"{number}-{n}") for n in range(5)]
                await flow.accept(partition, log(changes, partition=number))
            await asyncio.gather(*map(ended, several))
    assert 1 < sink.most_at_once <= 3


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "unauthorized"), (403, "forbidden"), (404, "not_found")]
)
async def test_a_refused_credential_or_account_holds_the_offsets_until_it_is_mended(
    status: int, reason: str
) -> None:
    refusing = Answer(endpoint="POST segments", status=status)
    async with ab_tasty([refusing]) as (service, url), flowing(udc_traced(url)) as flow:
        partition = await accept(flow, membership(mpid="1"))
        await flow.until(lambda: flow.delivery.blocked)
        assert reason_of(flow) == reason
        assert partition.offsets.watermark == 0
        service.set_faults([])
        await ended(partition)
        assert reason_of(flow) is None
    assert values(service) == {"1": "true"}
    assert flow.letters.written == []


async def test_an_outage_is_waited_out_and_nothing_is_lost() -> None:
    down = Answer(endpoint="POST segments", status=503, count=7)
    async with ab_tasty([down]) as (service, url), flowing(udc_traced(url)) as flow:
        await ended(await accept(flow, membership(mpid="1"), membership("left", mpid="2")))
    assert values(service) == {"1": "true", "2": "false"}
    assert flow.letters.written == []


async def test_a_suspended_subscription_stops_the_flow_until_a_person_resumes_it() -> None:
    async with (
        ab_tasty(suspend_subscription=True) as (service, url),
        flowing(Traced(firehose(base_url=url))) as flow,
        aiohttp.ClientSession() as http,
    ):
        partition = await accept(flow, membership(mpid="1"))
        await flow.until(lambda: flow.delivery.blocked)
        assert reason_of(flow) == "suspended"
        await http.put(url + "/_sandbox/suspend", data=b"false")
        await ended(partition)
    assert service.state()["memberships"] == {"1": {"31001": "joined"}}


async def test_a_202_does_not_prove_that_the_visitor_is_known() -> None:
    known = frozenset({"1"})
    async with (
        ab_tasty(known_visitors=known) as (service, url),
        flowing(udc_traced(url)) as flow,
    ):
        await ended(await accept(flow, membership(mpid="1"), membership(mpid="2")))
    assert flow.letters.written == []
    assert values(service) == {"1": "true"}
    assert service.state()["ignored"] == 1


async def test_a_connect_that_is_known_goes_before_the_memberships_of_its_audience() -> None:
    async with partner(refusals=3) as (url, taken), flowing(Traced(firehose(base_url=url))) as flow:
        of_audience = await flow.assign(number=1, topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(of_audience, log([audience("connected")], partition=1))
        await ended(await accept(flow, membership(mpid="1"), membership(mpid="2")))
        await ended(of_audience)
    assert taken[0] == "audience_subscription_request"
    assert taken.count("audience_subscription_request") == 1
    assert set(taken[1:]) == {"audience_membership_change_request"}


async def test_memberships_of_an_audience_that_was_connected_before_us_do_not_wait() -> None:
    async with partner() as (url, taken), flowing(Traced(firehose(base_url=url))) as flow:
        await ended(await accept(flow, membership(mpid="1")))
    assert taken == ["audience_membership_change_request"]


async def test_a_connect_that_is_refused_becomes_a_dead_letter_and_holds_no_membership() -> None:
    async with (
        partner(refuses="audience_subscription_request") as (url, taken),
        flowing(Traced(firehose(base_url=url))) as flow,
    ):
        partition = await accept(flow, audience("connected"), membership(mpid="1"))
        await ended(partition)
    assert taken == ["audience_membership_change_request"]
    assert [letter.offset for letter in flow.letters.written] == [0]


async def test_memberships_wait_for_their_connect_as_long_as_nobody_takes_it() -> None:
    """That memberships of other audiences pass says nothing of the endpoint that is away."""
    away = {"audience_subscription_request"}
    impatient = DeliveryPolicy(retry=RetryPolicy(backoff_s=(0.001,), patience_s=0.001))
    async with (
        partner(away=away) as (url, taken),
        flowing(Traced(firehose(base_url=url)), impatient) as flow,
    ):
        of_audience = await flow.assign(number=1, topic=AUDIENCE_MEMBERSHIP)
        await flow.accept(of_audience, log([audience("connected")], partition=1))
        waiting = await accept(flow, membership(mpid="1"))
        of_others = await flow.assign(number=2, topic=AUDIENCE_MEMBERSHIP)
        for number in range(20):
            other = membership(mpid=str(2 + number), audience_id="7")
            await flow.accept(of_others, log([other], number, partition=2))
            await ended(of_others)
            assert flow.letters.written == []
        assert len(taken) == 20
        away.clear()
        await ended(waiting)
        await ended(of_audience)
    assert flow.letters.written == []
    assert taken[20:] == ["audience_subscription_request", "audience_membership_change_request"]


@asynccontextmanager
async def partner(
    *, refusals: int = 0, refuses: str = "", away: Collection[str] = ()
) -> AsyncIterator[tuple[str, list[str]]]:
    """Takes mParticle's messages; yields the types of those it took, in their order."""
    taken: list[str] = []
    left = refusals

    async def answer(request: web.Request) -> web.Response:
        nonlocal left
        left -= 1
        kind = (await request.json())["type"]
        if left >= 0 or kind in away:
            return web.Response(status=503)
        if kind == refuses:
            return web.Response(status=400)
        taken.append(kind)
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/", answer)
    async with running(app) as url:
        yield url, taken
