"""mParticle's posts: what is tried again, what is lost, and in which order they come."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from sandbox.mparticle import Message, Posted, post
from sandbox.server import running

TOKEN = "invented-token-of-mparticle"


@asynccontextmanager
async def answering(status: Callable[[bytes], int]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Somebody who answers so; its URL, and the bodies in the order in which they came."""
    came: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Token {TOKEN}"
        body = await request.read()
        came.append(body)
        return web.Response(status=status(body))

    app = web.Application()
    app.router.add_post("/", answer)
    async with running(app) as url:
        yield url, came


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_mparticle_retries_is_tried_until_it_is_taken(status: int) -> None:
    answers = iter([status, status, 202])
    async with answering(lambda _: next(answers)) as (url, came):
        posted = await post(url, [Message(b"17", b"{}")], token=TOKEN)
    assert posted == Posted(accepted=1, retried=2)
    assert came == [b"{}"] * 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 501])
async def test_any_other_error_is_lost_at_once(status: int) -> None:
    async with answering(lambda _: status) as (url, came):
        posted = await post(url, [Message(b"17", b"{}")], token=TOKEN)
    assert posted == Posted(lost=Counter({status: 1}))
    assert len(came) == 1


async def test_a_registration_that_nobody_answers_leaves_no_module_and_loses_no_data() -> None:
    request = b'{"type": "module_registration_request"}'
    messages = [Message(None, request), Message(b"17", b'{"type": "other"}')]
    async with answering(lambda body: 501) as (url, came):
        posted = await post(url, messages, token=TOKEN)
    assert posted == Posted(unregistered=1, lost=Counter({501: 1}))
    assert len(came) == 2


async def test_its_patience_ends() -> None:
    async with answering(lambda _: 503) as (url, came):
        posted = await post(url, [Message(b"17", b"{}")], token=TOKEN, patience_s=0.2)
    assert posted.lost == Counter({503: 1})
    assert len(came) == 1 + posted.retried > 1


async def test_nobody_there_is_tried_again_too() -> None:
    posted = await post("http://127.0.0.1:1/", [Message(b"17", b"{}")], patience_s=0.2)
    assert posted.lost == Counter({0: 1})
    assert posted.retried > 0


async def test_a_users_messages_come_one_after_the_other_also_when_one_is_tried_again() -> None:
    messages = [Message(b"%d" % (n % 7), b"%d of %d" % (n, n % 7)) for n in range(100)]
    tries = Counter[bytes]()

    def fails_once(body: bytes) -> int:
        tries[body] += 1
        return 503 if tries[body] == 1 and int(body.split()[0]) % 5 == 0 else 200

    accepted: list[Message] = []
    async with answering(fails_once) as (url, came):
        await post(url, messages, token=TOKEN, accepted=accepted.append)
    by_user = defaultdict[bytes, list[bytes]](list)
    for body in dict.fromkeys(came):
        by_user[body.split()[-1]].append(body)
    for user, bodies in by_user.items():
        assert bodies == [message.value for message in messages if message.key == user]
    assert sorted(accepted) == sorted(messages)
