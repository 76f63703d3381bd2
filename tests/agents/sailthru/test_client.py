"""One call over HTTP: signature, headers, and every way to get no answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from agents.sailthru.client import Client, quota, signature
from agents.sailthru.errors import SIGNATURE_REFUSED, UNKNOWN_LIST, WRONG_SECRET
from sandbox.faults import Answer, EffectWithoutAnswer, Fault, Hang, Reset
from streams.delivery.rate_limit.limiter import Ignored, Pacer
from streams.delivery.rate_limit.quota import Quota
from streams.http import CONNECTION_LOST, TIMED_OUT, UNREACHABLE, Http
from streams.outcomes import Delivered, Misconfigured, Rejected, RetryRecord, Transient
from tests.agents.sailthru.factories import BY_EMAIL, EMAIL
from tests.agents.sailthru.simulated import (
    SECRET,
    Simulated,
    answering,
    settings,
    simulated,
    unpaced,
)


@asynccontextmanager
async def client(url: str, pacer: Pacer | None = None, **changed: Any) -> AsyncIterator[Client]:
    chosen = settings(base_url=url, **changed)
    async with Http.open(chosen) as http:
        yield Client(http, chosen, pacer or unpaced())


def test_signature_agrees_with_the_published_vector() -> None:
    """The vector is from IngeniumSE/SailthruSDK, tests/SignatureGeneratorTests.cs."""
    parameters = {"api_key": "123key", "format": "json", "json": '{"id":"neil@example.com"}'}
    assert signature("abcsecret", parameters) == "fa5c79189b708199f3cf69f1cf8f7928"


@pytest.mark.parametrize(
    "text", ["O'Brian & Söhne", "日本 100%+1", 'a "b" \\ c', "\ud800", "null\x00", "🙂"]
)
async def test_any_text_arrives_signed_and_whole(sailthru: Simulated, text: str) -> None:
    async with client(sailthru.url) as calls:
        outcome = await calls.post("user", {**BY_EMAIL, "vars": {"said": text}})
    if text == "\ud800":  # no text at all: the service may refuse it, but not the signature
        assert isinstance(outcome, Rejected)
    else:
        assert outcome == Delivered()
        assert sailthru.profiles()[EMAIL]["vars"] == {"said": text}


async def test_64_bit_numbers_arrive_digit_by_digit(sailthru: Simulated) -> None:
    async with client(sailthru.url) as calls:
        await calls.post("user", {**BY_EMAIL, "vars": {"big": -9223372036854775807}})
    assert sailthru.profiles()[EMAIL]["vars"] == {"big": -9223372036854775807}


async def test_get_is_signed_too(sailthru: Simulated) -> None:
    async with client(sailthru.url) as calls:
        assert await calls.get("list", {"list": "Été & 100%+"}) == UNKNOWN_LIST
        assert await calls.post("list", {"list": "Été & 100%+"}) == Delivered()
        assert await calls.get("list", {"list": "Été & 100%+"}) == Delivered()


@pytest.mark.parametrize(
    ("fault", "timeout_s", "outcome"),
    [
        (Hang(), 0.2, TIMED_OUT),
        (EffectWithoutAnswer(seconds=300), 0.2, TIMED_OUT),
        (EffectWithoutAnswer(), 10, CONNECTION_LOST),
        (Reset(), 10, CONNECTION_LOST),
        (Answer(status=502, body="<html>bad gateway</html>"), 10, RetryRecord("server_error")),
        (Answer(status=200, body=""), 10, RetryRecord("unreadable_answer")),
    ],
)
async def test_no_answer_has_a_name(
    sailthru: Simulated, fault: Fault, timeout_s: float, outcome: Transient
) -> None:
    sailthru.service.set_faults([fault])
    async with client(sailthru.url, timeout_s=timeout_s) as calls:
        assert await calls.post("user", BY_EMAIL) == outcome


async def test_service_that_is_away_was_not_reached() -> None:
    async with simulated() as gone:
        pass
    async with client(gone.url) as calls:
        assert await calls.post("event", BY_EMAIL) == UNREACHABLE


async def test_redirect_is_not_followed() -> None:
    asked = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with answering(redirect) as url, client(url) as calls:
        assert isinstance(await calls.post("user", BY_EMAIL), Misconfigured)
    assert asked == ["/user"]


async def test_wrong_key_blocks_at_once(sailthru: Simulated) -> None:
    async with client(sailthru.url, api_key="ffff") as calls:
        outcome = await calls.post("user", BY_EMAIL)
    assert isinstance(outcome, Misconfigured)
    assert "SAILTHRU_API_KEY" in outcome.what_to_do


async def test_wrong_secret_is_tried_a_few_times_and_then_blocks(sailthru: Simulated) -> None:
    async with client(sailthru.url, api_secret="another") as calls:
        outcomes = [await calls.post("user", BY_EMAIL) for _ in range(12)]
    assert outcomes == [SIGNATURE_REFUSED] * 10 + [WRONG_SECRET] * 2


async def test_signatures_refused_now_and_then_never_block(sailthru: Simulated) -> None:
    refusal = Answer(status=401, body={"error": 5, "errormsg": "signature"}, count=1)
    async with client(sailthru.url) as calls:
        for _ in range(12):
            sailthru.service.set_faults([refusal])
            assert await calls.post("user", BY_EMAIL) == SIGNATURE_REFUSED
            assert await calls.post("user", BY_EMAIL) == Delivered()


async def test_answers_correct_the_limit_of_their_endpoint_and_method(sailthru: Simulated) -> None:
    pacer = unpaced()
    async with client(sailthru.url, pacer) as calls:
        await calls.post("user", BY_EMAIL)
        await calls.get("list", {"list": "All"})
    believed = {name: limit.per_minute for name, limit in pacer.limits.items() if limit.per_minute}
    assert believed == {"user": 18_000, "list GET": 18_000}


@pytest.mark.parametrize(
    ("headers", "ignored"),
    [
        ({"Limit": "18000", "Remaining": "0", "Reset": "1767225660000"}, "reset"),
        ({"Limit": "18000", "Remaining": "5", "Reset": str(10**10)}, "reset"),
        ({"Limit": "18000", "Remaining": "5", "Reset": "soon"}, "reset"),
        ({"Limit": "18000", "Remaining": "-1", "Reset": "soon"}, "remaining"),
        ({"Limit": "7" * 5_000}, "limit"),
    ],
)
async def test_a_rate_header_that_makes_no_sense_is_counted_and_stops_nothing(
    sailthru: Simulated, headers: dict[str, str], ignored: Ignored
) -> None:
    odd = {f"X-Rate-Limit-{name}": value for name, value in headers.items()}
    sailthru.service.set_faults([Answer(status=200, body={"ok": True}, headers=odd)])
    pacer = unpaced()
    async with client(sailthru.url, pacer) as calls:
        assert await calls.post("user", BY_EMAIL) == Delivered()
    assert pacer.limits["user"].ignored[ignored] == 1
    assert not pacer.limits["user"].is_paused


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        (
            {"Limit": "2400", "Remaining": "7", "Reset": "100"},
            Quota(2400, 7, reset_at=100.0, now=60.0, took=0.5),
        ),
        ({"Limit": "2400"}, Quota(2400, now=60.0, took=0.5)),
        ({"Limit": "2400", "Remaining": "-1"}, Quota(2400, now=60.0, took=0.5)),
        ({"Remaining": "7", "Reset": "100"}, None),
        ({"Limit": "many", "Remaining": "7"}, None),
        ({}, None),
    ],
)
def test_quota_is_read_from_the_headers(headers: dict[str, str], announced: Quota | None) -> None:
    named = {f"X-Rate-Limit-{name}": value for name, value in headers.items()}
    assert quota({"Date": "Thu, 01 Jan 1970 00:01:00 GMT", **named}, 0.5) == announced


async def test_secret_is_in_no_repr_and_in_no_request() -> None:
    seen: list[str] = []

    async def remember(request: web.Request) -> web.Response:
        seen.append(f"{request.rel_url} {request.headers} {await request.text()}")
        return web.json_response({"ok": True})

    async with answering(remember) as url, client(url) as calls:
        await calls.post("user", BY_EMAIL)
        await calls.get("list", {"list": "All"})
        assert SECRET not in repr(calls) + repr(vars(calls))
    assert len(seen) == 2
    assert SECRET not in "".join(seen)
