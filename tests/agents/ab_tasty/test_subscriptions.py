"""Mode `firehose`: a membership sends its audience's connect where that is still on its way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.ab_tasty.sink import AbTastySink
from models.audience import Audience
from models.record import RawPosition
from sandbox.ab_tasty import AbTasty
from sandbox.faults import Answer
from streams.outcomes import Delivered, Rejected, RetryRecord
from tests.agents.ab_tasty.factories import AT, NOW_MS, audience, membership
from tests.agents.ab_tasty.simulated import ab_tasty, firehose_sink, send

CONNECT = audience()
CONNECTED = {"31001": {"name": "Lapsed buyers", "state": "connected"}}
JOINED = {AT.user: {"31001": "joined"}}
DISCONNECTED = Audience(
    id="about-31001",
    received_at_ms=1_767_225_600_000,
    raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    audience_id="31001",
    state="disconnected",
)


@asynccontextmanager
async def connecting(*faults: Answer) -> AsyncIterator[tuple[AbTasty, AbTastySink]]:
    """A sink that has seen the audience's connect, and has not sent it."""
    async with ab_tasty(faults) as (service, url), firehose_sink(url) as sink:
        sink.place(CONNECT, AT, NOW_MS)
        yield service, sink


async def test_while_the_connect_does_not_pass_no_membership_goes() -> None:
    async with connecting(Answer(endpoint="POST firehose", status=503, count=1)) as (service, sink):
        assert await send(sink, membership()) == RetryRecord("http_503")
        assert service.counts["POST firehose"] == {"503": 1}
        assert await send(sink, membership()) == Delivered()
    assert service.state()["audiences"] == CONNECTED
    assert service.state()["memberships"] == JOINED


async def test_a_connect_that_a_membership_has_sent_is_not_sent_again() -> None:
    async with connecting() as (service, sink):
        assert await send(sink, membership()) == Delivered()
        assert await send(sink, CONNECT) == Delivered()
        assert await send(sink, membership()) == Delivered()
    assert service.counts["POST firehose"].total() == 3


async def test_a_connect_that_is_refused_holds_no_membership_and_ends_as_refused() -> None:
    refused = Answer(endpoint="POST firehose", status=400, count=1)
    async with connecting(refused) as (service, sink):
        assert await send(sink, membership()) == Delivered()
        assert service.counts["POST firehose"].total() == 2
        service.set_faults([refused])
        assert await send(sink, CONNECT) == Rejected("refused_rows", "HTTP 400")
    assert service.state()["memberships"] == JOINED


async def test_a_connect_does_not_go_after_the_disconnect_that_another_worker_has_sent() -> None:
    async with connecting() as (service, sink):
        sink.learn(DISCONNECTED)
        assert await send(sink, membership()) == Delivered()
    assert service.state()["audiences"] == {}
    assert service.state()["memberships"] == JOINED
