import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from agents.ab_tasty.calls import Post
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.sink import AbTastySink
from sandbox.faults import Answer, EffectWithoutAnswer, Fault, Hang, Reset
from sandbox.server import running
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import LaneKey, Placement
from streams.outcomes import (
    Delivered,
    Dropped,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.factories import AT, NOW_MS, audience, firehose, membership, udc
from tests.agents.ab_tasty.simulated import (
    TOKEN_PATH,
    Clock,
    ab_tasty,
    firehose_sink,
    send,
    udc_sink,
)

SMALLEST = "-9223372036854775808"


def test_it_is_a_sink_of_audience_membership() -> None:
    sink = AbTastySink(udc())
    assert sink.destination == "ab-tasty"
    assert sink.topics == (AUDIENCE_MEMBERSHIP,)
    assert sink.limits == {"segments": None}
    assert AbTastySink(firehose()).limits == {"membership": None, "subscription": None}


def test_a_partition_is_one_lane_and_a_subscription_has_its_audiences() -> None:
    other = Placement(user="7", partition=4)
    for sink, endpoint in (
        (AbTastySink(udc()), "segments"),
        (AbTastySink(firehose()), "membership"),
    ):
        assert sink.place(membership(mpid="1"), AT, NOW_MS) == LaneKey(endpoint, 3)
        assert sink.place(membership(mpid="2"), AT, NOW_MS) == LaneKey(endpoint, 3)
        assert sink.place(membership(mpid="7"), other, NOW_MS) == LaneKey(endpoint, 4)
    assert sink.place(audience(), AT, NOW_MS) == LaneKey("subscription", "31001")


@pytest.mark.parametrize("settings", [udc, firehose])
def test_a_user_without_a_visitor_id_is_ordinary(settings: Callable[..., AbTastySettings]) -> None:
    nobody = membership(mpid=None)
    assert AbTastySink(settings()).place(nobody, AT, NOW_MS) == Dropped("no_visitor_id")
    keeps = AbTastySink(settings(no_visitor_id="dead_letter"))
    why = Rejected("no_visitor_id", "the record has no mpid", blames="account")
    assert keeps.place(nobody, AT, NOW_MS) == why


@pytest.mark.parametrize("template", ["{audience_name}", "all-{audience_name}", "{audience_id}"])
@pytest.mark.parametrize("name", ["VIP", "VIP ", "vip"])
async def test_who_leaves_one_audience_stays_in_another_of_that_name(
    template: str, name: str
) -> None:
    async with ab_tasty() as (service, url), udc_sink(url, segment_name_template=template) as sink:
        for change in (
            membership(audience_id="1", audience_name="VIP"),
            membership(audience_id="2", audience_name=name),
            membership("left", audience_id="1", audience_name="VIP"),
        ):
            assert await send(sink, change) == Delivered()
    [held] = service.state()["segments"].values()  # type: ignore[attr-defined]  # as JSON
    assert list(held.values()) == ["false", "true"]


async def test_one_request_about_audiences_of_one_name_has_a_row_for_each() -> None:
    template = "{audience_name}"
    async with ab_tasty() as (service, url), udc_sink(url, segment_name_template=template) as sink:
        joined = (membership(audience_id=each, audience_name="V!P") for each in "123")
        assert await send(sink, *joined, membership("left", audience_id="2")) == Delivered()
    assert list(service.state()["segments"].values()) == [  # type: ignore[attr-defined]  # as JSON
        {"V-P": "true", "V-P-2": "false", "V-P-3": "true"}
    ]


async def test_subscriptions_and_memberships_name_the_same_account() -> None:
    """The one of the setting, whichever mParticle's messages came from."""
    async with ab_tasty() as (service, url), firehose_sink(url) as sink:
        assert await send(sink, audience(account_id="99")) == Delivered()
        assert await send(sink, membership(account_id="99")) == Delivered()
        assert await send(sink, membership(mpid="7")) == Delivered()
    assert len(service.state()["memberships"]) == 2  # type: ignore[arg-type]  # as JSON


@pytest.mark.parametrize("learned", ["placed", "recalled"])
def test_a_name_is_learned_from_the_audience(learned: str) -> None:
    sink = AbTastySink(udc())
    if learned == "placed":
        assert sink.place(audience(), AT, NOW_MS) == Dropped("not_needed")
    else:
        sink.recall(audience(), AT)
    assert sink.place(membership(audience_name=None), AT, NOW_MS) == LaneKey("segments", 3)


def test_a_name_that_changes_while_a_record_waits_does_not_hold_it() -> None:
    sink = AbTastySink(udc())
    sink.recall(audience(occurred_at_ms=1), AT)
    nameless = membership(audience_name=None)
    lane = sink.place(nameless, AT, NOW_MS)
    assert isinstance(lane, LaneKey)
    sink.recall(audience("updated", audience_name="Won back", occurred_at_ms=2), AT)
    sink.recall(audience("updated", audience_name=None, occurred_at_ms=3), AT)
    body = sink.fold(lane, [nameless]).request.body
    assert body == "visitor_id,segment,value\n8140027735519024411,Won-back-31001,true\n"


@pytest.mark.parametrize("body_format", ["csv", "json"])
async def test_udc_rows_become_segments(body_format: str) -> None:
    async with (
        ab_tasty() as (service, url),
        udc_sink(url, body_format=body_format, join_value="été") as sink,
    ):
        outcome = await send(
            sink,
            membership(),
            membership(mpid=SMALLEST, audience_id="31002", audience_name="Clients fidèles"),
            membership("left"),
        )
    assert outcome == Delivered()
    assert service.state()["segments"] == {
        SMALLEST: {"Clients-fidèles-31002": "été"},
        "8140027735519024411": {"Lapsed-buyers-31001": "false"},
    }


async def test_firehose_messages_become_audiences_and_memberships() -> None:
    async with ab_tasty() as (service, url), firehose_sink(url) as sink:
        outcomes = [
            await send(sink, audience()),
            await send(sink, membership(), membership(mpid=SMALLEST), membership("left")),
        ]
    assert outcomes == [Delivered(), Delivered()]
    assert service.state()["audiences"] == {
        "31001": {"name": "Lapsed buyers", "state": "connected"}
    }
    assert service.state()["memberships"] == {
        SMALLEST: {"31001": "joined"},
        "8140027735519024411": {"31001": "left"},
    }


async def test_one_token_serves_all_requests_of_a_session() -> None:
    async with ab_tasty() as (service, url), udc_sink(url) as sink:
        outcomes = await asyncio.gather(*(send(sink, membership(mpid=str(i))) for i in range(20)))
    assert set(outcomes) == {Delivered()}
    assert service.state()["tokens"] == 1
    assert service.state()["rows"] == 20


async def test_tokens_that_ended_early_are_fetched_again_once_for_all() -> None:
    clock = Clock()
    async with ab_tasty(clock=clock) as (service, url), udc_sink(url) as sink:
        await send(sink, membership())
        clock.now += service.options.token_lifetime
        outcomes = await asyncio.gather(*(send(sink, membership(mpid=str(i))) for i in range(20)))
    assert set(outcomes) == {Delivered()}
    assert service.state()["tokens"] == 2


async def test_a_request_that_needs_a_fresh_token_does_not_wait_out_a_closed_limit() -> None:
    """It holds a connection; the endpoint waits in its place."""
    refusing = Answer(endpoint="POST segments", status=401, count=1)
    async with ab_tasty([refusing]) as (service, url):
        sink = AbTastySink(udc(base_url=url, token_url=url + TOKEN_PATH))
        pacer = Pacer(sink.limits)
        async with sink.session(pacer):
            pacer.limits["segments"].close_for(3_600.0)
            outcome = await send(sink, membership())
            assert isinstance(outcome, Throttled)
            assert outcome.after == pytest.approx(3_600.0, abs=60.0)
            assert service.counts["POST segments"] == {"401": 1}
            assert await send(sink, membership()) == Delivered()


async def test_a_fresh_token_that_is_refused_too_blocks() -> None:
    refusing = Answer(endpoint="POST segments", status=401)
    async with ab_tasty([refusing]) as (service, url), udc_sink(url) as sink:
        outcome = await send(sink, membership())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "unauthorized"
    assert service.counts["POST segments"]["401"] == 2
    assert service.state()["tokens"] == 2


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"client_secret": "wrong"}, "token_refused"),
        ({"account_id": "wrong"}, "not_found"),
        ({"partner_name": "wrong"}, "forbidden"),
        ({"path_template": "/wrong"}, "not_found"),
        ({"auth": "none"}, "unauthorized"),
        ({"auth": "header_key", "api_key": "wrong"}, "unauthorized"),
    ],
)
async def test_a_wrong_udc_setting_blocks(settings: dict[str, str], reason: str) -> None:
    async with ab_tasty() as (_, url), udc_sink(url, **settings) as sink:
        outcome = await send(sink, membership())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason
    assert "ABTASTY_" in outcome.what_to_do


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"api_key": "wrong"}, "unauthorized"),
        ({"api_key_setting": "wrong"}, "unauthorized"),
        ({"auth": "header_key"}, "unauthorized"),
        ({"path_template": "/wrong"}, "not_found"),
    ],
)
async def test_a_wrong_firehose_setting_blocks(settings: dict[str, str], reason: str) -> None:
    async with ab_tasty() as (_, url), firehose_sink(url, **settings) as sink:
        outcomes = [await send(sink, audience()), await send(sink, membership())]
    for outcome in outcomes:
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason == reason
        assert "ABTASTY_" in outcome.what_to_do


async def test_a_suspended_subscription_blocks() -> None:
    async with ab_tasty(suspend_subscription=True) as (_, url), firehose_sink(url) as sink:
        outcome = await send(sink, membership())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "suspended"


async def test_too_many_rows_and_bad_rows_are_rejected() -> None:
    async with ab_tasty(max_rows=1) as (_, url), udc_sink(url) as sink:
        assert await send(sink, membership(), membership(mpid="7")) == Rejected(
            "too_large", "HTTP 413"
        )
        bad = Post("segments", udc(base_url=url).url("segments"), "visitor_id,segment,value\n,,\n")
        assert await sink.send(bad) == Rejected("refused_rows", "HTTP 400")


FAULTS: list[tuple[Fault, Outcome]] = [
    (Reset(), RetryRecord("connection_lost")),
    (Hang(), RetryRecord("timed_out")),
    (EffectWithoutAnswer(), RetryRecord("connection_lost")),
    (Answer(status=408), RetryRecord("http_408")),
    (Answer(status=503), RetryRecord("http_503")),
    (
        Answer(status=429, headers={"Retry-After": "3"}),
        Throttled("http_429", 3.0),
    ),
    (
        Answer(
            status=503,
            headers={
                "Date": "Thu, 01 Jan 2026 10:00:00 GMT",
                "Retry-After": "Thu, 01 Jan 2026 10:01:00 GMT",
            },
        ),
        Unavailable("http_503", 60.0),
    ),
]


@pytest.mark.parametrize(("fault", "outcome"), FAULTS)
@pytest.mark.parametrize("mode", ["udc", "firehose"])
async def test_what_may_pass_later_is_tried_later(
    fault: Fault, outcome: Outcome, mode: str
) -> None:
    endpoint = "POST segments" if mode == "udc" else "POST firehose"
    once = fault.model_copy(update={"endpoint": endpoint, "count": 1})
    opened = udc_sink if mode == "udc" else firehose_sink
    async with ab_tasty([once]) as (_, url), opened(url, timeout_s=0.5) as sink:
        assert await send(sink, membership()) == outcome
        assert await send(sink, membership()) == Delivered()


async def test_nobody_listening_is_waited_for() -> None:
    async with ab_tasty() as (_, url):
        pass
    async with firehose_sink(url) as sink:
        assert await send(sink, membership()) == RetryRecord("unreachable")


async def test_a_redirect_is_not_followed_with_the_credential() -> None:
    async with ab_tasty() as (elsewhere, target):
        redirect = Answer(endpoint="POST firehose", status=307, headers={"Location": target + "/"})
        async with ab_tasty([redirect]) as (_, url), firehose_sink(url) as sink:
            outcome = await send(sink, membership())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "unexpected_answer"
    assert not elsewhere.counts


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 8192
            await asyncio.sleep(0)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=400, body=endless())

    app = web.Application()
    app.router.add_post("/", answer)
    async with running(app) as url, firehose_sink(url) as sink:
        assert await send(sink, membership()) == Rejected("refused_rows", "HTTP 400")


async def test_a_header_key_goes_into_the_header_that_is_set() -> None:
    seen: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/", answer)
    async with (
        running(app) as url,
        firehose_sink(url, auth="header_key", auth_header="x-partner-key") as sink,
    ):
        assert await send(sink, membership()) == Delivered()
    assert seen["x-partner-key"] == "sandbox-key"
    assert "Authorization" not in seen


def test_a_request_is_shown_without_its_key() -> None:
    sink = AbTastySink(firehose())
    lane = sink.place(membership(), AT, NOW_MS)
    assert isinstance(lane, LaneKey)
    request = sink.fold(lane, [membership()]).request
    shown = sink.describe(request)
    assert shown["body"]["account"]["account_settings"] == {"apiKey": "***"}
    assert sink.preparations([request]) == []


def test_udc_requests_are_prepared_by_a_token_call_without_its_secret() -> None:
    sink = AbTastySink(udc())
    lane = sink.place(membership(), AT, NOW_MS)
    assert isinstance(lane, LaneKey)
    request = sink.fold(lane, [membership()]).request
    assert sink.preparations([]) == []
    assert sink.preparations([request, request]) == [
        {
            "method": "POST",
            "url": "https://api.abtasty.com/oauth/v2/token",
            "body": {
                "client_id": "sandbox-client",
                "client_secret": "***",
                "grant_type": "client_credentials",
            },
        }
    ]


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 413, 415, 422, 429, 500])
async def test_no_outcome_log_or_repr_holds_a_secret_or_an_identity(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    echo = "sandbox-token-1 sandbox-secret sandbox-key 8140027735519024411"
    fault = Answer(endpoint="POST segments", status=status, body=echo)
    secrets = {*echo.split(), "sandbox-token-2"}
    async with ab_tasty([fault]) as (_, url), udc_sink(url) as sink:
        change = membership()
        lane = sink.place(change, AT, NOW_MS)
        assert isinstance(lane, LaneKey)
        request = sink.fold(lane, [change]).request
        shown = [repr(await sink.send(request)), repr(request), repr(sink), caplog.text]
    assert not [text for text in shown for secret in secrets if secret in text]


async def test_a_session_may_be_opened_again() -> None:
    async with ab_tasty() as (service, url):
        sink = AbTastySink(udc(base_url=url, token_url=f"{url}/oauth/v2/token"))
        for _ in range(2):
            async with sink.session(Pacer(sink.limits)):
                assert await send(sink, membership()) == Delivered()
    assert service.state()["tokens"] == 2
