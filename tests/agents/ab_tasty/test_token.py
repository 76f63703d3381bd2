import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from agents.ab_tasty.token import Grant, TokenSource, judge
from sandbox.ab_tasty import AbTasty
from sandbox.faults import Answer as AnswerFault
from sandbox.faults import Delay, Hang, Reset
from streams.http import Answer, Http
from streams.outcomes import Misconfigured, Throttled, Transient, Unavailable
from tests.agents.ab_tasty.factories import udc
from tests.agents.ab_tasty.simulated import TOKEN_PATH, Clock, ab_tasty


@asynccontextmanager
async def token_source(
    url: str,
    clock: Clock,
    **settings: Any,
) -> AsyncIterator[TokenSource]:
    chosen = udc(token_url=url + TOKEN_PATH, **settings)
    async with Http.open(chosen) as http:
        tokens = TokenSource(chosen, http, clock)
        try:
            yield tokens
        finally:
            await tokens.close()


def issued(service: AbTasty) -> object:
    return service.state()["tokens"]


async def test_many_who_need_a_token_at_once_share_one_fetch() -> None:
    clock = Clock()
    slow = Delay(endpoint="POST token", seconds=0.05)
    async with ab_tasty([slow], clock=clock) as (service, url), token_source(url, clock) as tokens:
        got = await asyncio.gather(*(tokens.get() for _ in range(50)))
    assert set(got) == {"sandbox-token-1"}
    assert issued(service) == 1


@pytest.mark.parametrize("lifetime", [0, -60, 1, 5])
async def test_a_token_that_says_it_has_no_time_left_is_not_fetched_a_second(lifetime: int) -> None:
    clock = Clock()
    async with (
        ab_tasty(clock=clock, token_lifetime=lifetime) as (service, url),
        token_source(url, clock) as tokens,
    ):
        for _ in range(30):
            assert await tokens.get() == "sandbox-token-1"
            clock.now += 1
    assert issued(service) == 1


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(43_200, 42_900), (100, 80)])
async def test_a_token_is_renewed_before_it_ends(lifetime: int, renewed_after: int) -> None:
    clock = Clock()
    async with (
        ab_tasty(clock=clock, token_lifetime=lifetime) as (_, url),
        token_source(url, clock) as tokens,
    ):
        first = await tokens.get()
        clock.now += renewed_after - 1
        assert await tokens.get() == first
        clock.now += 1
        second = await tokens.get()
        assert isinstance(second, str)
        assert second != first


async def test_a_failing_renewal_leaves_the_token_that_still_lives() -> None:
    clock = Clock()
    async with (
        ab_tasty(clock=clock, token_lifetime=100) as (service, url),
        token_source(url, clock) as tokens,
    ):
        first = await tokens.get()
        service.set_faults([AnswerFault(endpoint="POST token", status=503)])
        clock.now += 85
        assert [await tokens.get() for _ in range(3)] == [first] * 3
        assert service.counts["POST token"]["503"] == 1, "a failing route is not asked each time"
        clock.now += 15
        assert await tokens.get() == Unavailable("token_route")
        service.set_faults([])
        assert await tokens.get() == "sandbox-token-2"


async def test_a_refused_token_is_fetched_again_once_for_all() -> None:
    clock = Clock()
    async with ab_tasty(clock=clock) as (service, url), token_source(url, clock) as tokens:
        refused = await tokens.get()
        assert isinstance(refused, str)
        for _ in range(3):
            tokens.discard(refused)
            assert await tokens.get() == "sandbox-token-2"
    assert issued(service) == 2


async def test_one_who_stops_waiting_does_not_take_the_token_from_the_others() -> None:
    clock = Clock()
    slow = Delay(endpoint="POST token", seconds=0.05)
    async with ab_tasty([slow], clock=clock) as (_, url), token_source(url, clock) as tokens:
        impatient, patient = (asyncio.create_task(tokens.get()) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == "sandbox-token-1"


async def test_ending_a_session_ends_the_fetch_too() -> None:
    clock = Clock()
    async with ab_tasty([Hang(endpoint="POST token")], clock=clock) as (_, url):
        async with token_source(url, clock) as tokens:
            waiter = asyncio.create_task(tokens.get())
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiter


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(Reset(endpoint="POST token"), "connection_lost", id="a cut connection"),
        pytest.param(Hang(endpoint="POST token"), "timed_out", id="no answer"),
    ],
)
async def test_a_token_route_that_fails_makes_the_endpoint_wait(
    fault: Reset | Hang, reason: str
) -> None:
    clock = Clock()
    async with (
        ab_tasty([fault]) as (_, url),
        token_source(url, clock, timeout_s=0.2) as tokens,
    ):
        assert await tokens.get() == Unavailable(reason)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, orjson.dumps(body))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(200, {"access_token": "t", "expires_in": 60}), Grant("t", 60.0)),
        (answer(201, {"access_token": "t"}), Grant("t", float("inf"))),
        (answer(408), Unavailable("token_route")),
        (answer(429, Retry_After="9"), Throttled("token_route", 9.0)),
        (answer(503, Retry_After="9"), Unavailable("token_route", 9.0)),
        (answer(500), Unavailable("token_route")),
    ],
)
def test_the_token_routes_answer_is_read(given: Answer, expected: Grant | Transient) -> None:
    assert judge(given) == expected


@pytest.mark.parametrize(
    ("given", "reason", "names"),
    [
        *((answer(status), "token_refused", "ABTASTY_CLIENT_SECRET") for status in (400, 401, 403)),
        *((answer(status), "token_route", "ABTASTY_TOKEN_URL") for status in (302, 404, 405)),
        (answer(200, {"access_token": ""}), "token_route", "ABTASTY_TOKEN_URL"),
        (answer(200, {"access_token": "a\nb"}), "token_route", "ABTASTY_TOKEN_URL"),
        (answer(200, ["access_token"]), "token_route", "ABTASTY_TOKEN_URL"),
        (Answer(200, {}, b"<html>"), "token_route", "ABTASTY_TOKEN_URL"),
    ],
)
def test_a_token_route_that_a_person_must_mend_blocks(
    given: Answer, reason: str, names: str
) -> None:
    outcome = judge(given)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason
    assert names in outcome.what_to_do


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Grant("secret-token", 60.0))
