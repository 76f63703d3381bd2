"""What both simulated services share: faults, counts, control routes, start and stop."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from sandbox.faults import (
    Answer,
    Delay,
    EffectWithoutAnswer,
    Fault,
    Hang,
    Reset,
    Script,
    load_faults,
)
from sandbox.server import Service, json_response, running, serve_app


class Greeter(Service):
    """Greets whoever posts a name to /greeting, and remembers it."""

    endpoints = frozenset({"POST greeting"})
    greeted: list[str]

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.forget()

    def endpoint(self, request: web.Request) -> str:
        name = f"{request.method} {request.path[1:]}"
        return name if name in self.endpoints else "unknown"

    def identity(self, request: web.Request, body: bytes) -> str:
        return body.decode()

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if self.endpoint(request) == "unknown":
            return json_response({}, 404)
        self.greeted.append(body.decode())
        return json_response({"greeting": f"Hello {body.decode()}"})

    def state(self) -> list[str]:
        return self.greeted

    def forget(self) -> None:
        self.greeted = []


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session:
        yield session


async def greet(session: aiohttp.ClientSession, url: str, name: str = "Ann") -> int | str:
    """The status, or "cut" for a connection that ends without an answer."""
    try:
        async with session.post(f"{url}/greeting", data=name.encode()) as response:
            await response.read()
            return response.status
    except aiohttp.ClientConnectionError:
        return "cut"


@pytest.mark.parametrize(
    ("body", "headers", "content_type", "text"),
    [
        ({"error": 9}, {"Retry-After": "3"}, "application/json", '{"error":9}'),
        (
            "<h1>Bad gateway</h1>",
            {"Content-Type": "text/html"},
            "text/html",
            "<h1>Bad gateway</h1>",
        ),
        (None, {}, "text/plain", ""),
    ],
)
async def test_answer_replaces_the_answer_and_the_effect(
    session: aiohttp.ClientSession,
    body: dict[str, int] | str | None,
    headers: dict[str, str],
    content_type: str,
    text: str,
) -> None:
    service = Greeter(Answer(status=503, body=body, headers=headers))
    async with running(service.app()) as url, session.post(f"{url}/greeting", data="Ann") as given:
        assert given.status == 503
        assert given.content_type == content_type
        assert await given.text() == text
        assert headers.items() <= given.headers.items()
    assert service.greeted == []


async def test_delay_waits_and_then_goes_on(session: aiohttp.ClientSession) -> None:
    service = Greeter(Delay(seconds=0.05))
    clock = asyncio.get_running_loop().time
    async with running(service.app()) as url:
        begun = clock()
        assert await greet(session, url) == 200
        assert clock() - begun >= 0.05
    assert service.greeted == ["Ann"]


@pytest.mark.parametrize(
    ("fault", "greeted"),
    [
        (Hang(seconds=0), ["Bea"]),
        (Reset(), ["Bea"]),
        (EffectWithoutAnswer(), ["Ann", "Bea"]),
    ],
)
async def test_a_cut_connection_leaves_just_the_effect_the_fault_allows(
    session: aiohttp.ClientSession, fault: Fault, greeted: list[str]
) -> None:
    service = Greeter(fault.model_copy(update={"count": 1}))
    async with running(service.app()) as url:
        assert await greet(session, url, "Ann") == "cut"
        assert await greet(session, url, "Bea") == 200
        async with session.get(f"{url}/_sandbox/requests") as response:
            counted = (await response.json())["requests"]
    assert service.greeted == greeted
    assert counted == {"POST greeting": {"200": 1, "cut": 1}}


async def test_hanging_requests_get_no_answer_and_delay_no_stop(
    session: aiohttp.ClientSession,
) -> None:
    service = Greeter(Hang(seconds=3600))
    clock = asyncio.get_running_loop().time
    async with running(service.app()) as url:
        waiting = [asyncio.create_task(greet(session, url)) for _ in range(5)]
        with pytest.raises(TimeoutError):
            await session.post(f"{url}/greeting", timeout=aiohttp.ClientTimeout(0.1))
        begun = clock()
    assert clock() - begun < 10
    assert await asyncio.gather(*waiting) == ["cut"] * 5
    assert service.greeted == []


async def test_the_port_is_free_after_a_stop(session: aiohttp.ClientSession) -> None:
    service = Greeter(Hang(seconds=3600, count=1))
    async with running(service.app()) as url:
        with pytest.raises(TimeoutError):
            await session.post(f"{url}/greeting", timeout=aiohttp.ClientTimeout(0.1))
    assert await greet(session, url) == "cut"
    async with running(service.app(), port=int(url.rpartition(":")[2])) as again:
        assert again == url
        assert await greet(session, url) == 200


async def test_serving_tells_its_address_and_ends_when_cancelled(
    session: aiohttp.ClientSession,
) -> None:
    started = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_app(Greeter().app(), 0, "127.0.0.1", started.set_result))
    url = await started
    assert await greet(session, url) == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert await greet(session, url) == "cut"


def test_faults_are_used_up_in_order_and_the_last_without_count_stays() -> None:
    script = Script([Answer(status=429, count=2), Reset(count=1), Answer(status=503)])
    taken = [script.take("POST greeting", str) for _ in range(5)]
    assert [fault.action for fault in taken if fault] == ["answer"] * 2 + ["reset"] + ["answer"] * 2
    assert taken[-1] == Answer(status=503)


def test_a_fault_meets_its_endpoint_and_user_alone() -> None:
    script = Script([Answer(status=500, endpoint="POST greeting", user="user17@")])
    assert script.take("POST greeting", lambda: "user18@shop.example") is None
    assert script.take("POST farewell", lambda: "user17@shop.example") is None
    assert script.take("POST greeting", lambda: "user17@shop.example") is not None


async def test_control_route_replaces_the_script(session: aiohttp.ClientSession) -> None:
    service = Greeter(Answer(status=500))
    async with running(service.app()) as url:
        assert await greet(session, url) == 500
        script = [{"action": "answer", "status": 429, "endpoint": "POST greeting", "count": 1}]
        async with session.put(f"{url}/_sandbox/faults", json=script) as response:
            assert response.status == 204
        assert await greet(session, url) == 429
        assert await greet(session, url) == 200


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('[{"action": "answer", "status": 503, "endpoint": "POST greetings"}]', "POST greeting"),
        ('[{"action": "explode"}]', "explode"),
        ('[{"action": "answer"}]', "status"),
        ('[{"action": "reset", "count": 0}]', "count"),
        ('[{"action": "delay", "seconds": 1, "second": 2}]', "second"),
        ("{", "JSON"),
    ],
)
async def test_a_script_that_cannot_work_is_refused_whole(
    session: aiohttp.ClientSession, script: str, sentence: str
) -> None:
    service = Greeter(Answer(status=500))
    async with running(service.app()) as url:
        async with session.put(f"{url}/_sandbox/faults", data=script) as response:
            assert response.status == 400
            assert sentence in await response.text()
        assert await greet(session, url) == 500


def test_faults_read_from_json_are_those_built_in_code() -> None:
    script = '[{"action": "hang", "seconds": 2, "user": "user17@"}, {"action": "reset"}]'
    assert load_faults(script) == [Hang(seconds=2, user="user17@"), Reset()]


async def test_state_is_shown_and_forgotten_together_with_the_counts(
    session: aiohttp.ClientSession,
) -> None:
    async with running(Greeter().app()) as url:
        await greet(session, url)
        async with session.get(f"{url}/elsewhere") as response:
            assert response.status == 404
        async with session.get(f"{url}/_sandbox/state") as response:
            assert await response.json() == ["Ann"]
        async with session.get(f"{url}/_sandbox/requests") as response:
            counted = {"POST greeting": {"200": 1}, "unknown": {"404": 1}}
            assert await response.json() == {"requests": counted, "ceilings": {}}
        async with session.delete(f"{url}/_sandbox/state") as response:
            assert response.status == 204
        async with session.get(f"{url}/_sandbox/state") as response:
            assert await response.json() == []
        async with session.get(f"{url}/_sandbox/requests") as response:
            assert await response.json() == {"requests": {}, "ceilings": {}}
