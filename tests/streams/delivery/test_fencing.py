"""A session that asks, once it has a connection, whether a request may still go out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.server import running
from streams.fencing import FencedError, guarded


class Service:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.requests = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(body=await request.read())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/", self.answer)
        async with running(app) as url:
            yield url


async def test_a_request_that_may_go_out_arrives_whole() -> None:
    service = Service()
    async with (
        service.running() as url,
        aiohttp.ClientSession(request_class=guarded(lambda: True)) as http,
        http.post(url, data=b"x" * 1_000_000) as answer,
    ):
        assert await answer.read() == b"x" * 1_000_000
    assert service.requests == 1


@pytest.mark.parametrize("connection", ["new", "kept"])
async def test_a_membership_that_ends_while_a_connection_is_made_or_taken_lets_nothing_out(
    connection: str,
) -> None:
    service, freezes, member = Service(), False, True

    async def freeze(*_: Any) -> None:
        nonlocal member
        member = not freezes

    trace = aiohttp.TraceConfig()
    had = trace.on_connection_create_end if connection == "new" else trace.on_connection_reuseconn
    had.append(freeze)
    async with (
        service.running() as url,
        aiohttp.ClientSession(request_class=guarded(lambda: member), trace_configs=[trace]) as http,
    ):
        if connection == "kept":
            async with http.post(url):
                pass
        before, freezes = service.requests, True
        with pytest.raises(FencedError):
            await http.post(url)
        assert service.requests == before
        freezes, member = False, True
        async with http.post(url) as answer:
            assert answer.ok
    assert service.requests == before + 1
