"""What both simulated services share: refusals, faults, counts, control routes, start and stop."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import orjson
from aiohttp import web

from sandbox.faults import Fault, Script, load_faults, play

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes a request may have before even the sandbox stops reading; above any announced limit."""


class Evidence(StrEnum):
    """How sure it is that the real service does the same."""

    DOCUMENTED = "documented"  # the vendor's own documentation says so
    OBSERVED = "observed"  # recorded traffic, or what the vendor's own client does
    REPORTED = "reported"  # another connector or a user of the API says so
    INFERRED = "inferred"  # likely, and confirmed nowhere


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way in which a service says no, with the public fact it stands on.

    `code` is the service's own error number or word. `name` is what an option calls it by, to try
    another status where the status is only inferred.
    """

    name: str
    status: int
    code: int | str
    evidence: Evidence
    fact: str


class RefusedError(Exception):
    """A request refused, with the sentence that goes into the answer."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal
        self.text = text


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _sorted_json(body: object) -> web.Response:
    return web.Response(
        body=orjson.dumps(body, option=orjson.OPT_SORT_KEYS), content_type="application/json"
    )


class Service(ABC):
    """A simulated service. It keeps its state over restarts of the applications it makes."""

    endpoints: ClassVar[frozenset[str]]
    """Every method and endpoint it has, such as "POST user"."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.begun: Counter[str] = Counter()
        """Requests that have come, by endpoint, answered or not."""
        self.script = Script()
        self.set_faults(faults)

    @abstractmethod
    def endpoint(self, request: web.Request) -> str:
        """One of `endpoints`, or "unknown"."""

    @abstractmethod
    def identity(self, request: web.Request, body: bytes) -> str:
        """Every identity the request is about, in one text."""

    @abstractmethod
    async def answer(self, request: web.Request, body: bytes) -> web.Response: ...

    @abstractmethod
    def state(self) -> object: ...

    @abstractmethod
    def forget(self) -> None: ...

    def ceilings(self) -> Mapping[str, int]:
        """Requests a minute by endpoint, as far as the service announces any."""
        return {}

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Replaces the script; raises ValueError when a fault could never apply."""
        faults = list(faults)
        for fault in faults:
            if fault.endpoint not in {"*", "unknown", *self.endpoints}:
                known = ", ".join(sorted(self.endpoints))
                raise ValueError(f"no endpoint {fault.endpoint!r}: use * or one of {known}")
        self.script = Script(faults)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_get("/_sandbox/state", self._get_state)
        app.router.add_delete("/_sandbox/state", self._delete_state)
        app.router.add_get("/_sandbox/requests", self._get_requests)
        app.router.add_put("/_sandbox/faults", self._put_faults)
        app.router.add_routes(self.control_routes())
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def control_routes(self) -> list[web.RouteDef]:
        """The routes below `/_sandbox` that one service alone has."""
        return []

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        endpoint = self.endpoint(request)
        self.begun[endpoint] += 1
        fault = self.script.take(endpoint, lambda: self.identity(request, body))
        if fault is None:
            response = await self.answer(request, body)
        else:
            played = await play(fault, request, lambda: self.answer(request, body))
            if played is None:
                self.counts[endpoint]["cut"] += 1
                return web.Response()  # nobody is there to read it
            response = played
        self.counts[endpoint][str(response.status)] += 1
        return response

    async def _get_state(self, _: web.Request) -> web.Response:
        return _sorted_json(self.state())

    async def _delete_state(self, _: web.Request) -> web.Response:
        self.forget()
        self.counts.clear()
        self.begun.clear()
        return web.Response(status=204)

    async def _get_requests(self, _: web.Request) -> web.Response:
        return _sorted_json({"requests": self.counts, "ceilings": self.ceilings()})

    async def _put_faults(self, request: web.Request) -> web.Response:
        try:
            self.set_faults(load_faults(await request.read()))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        return web.Response(status=204)


@asynccontextmanager
async def running(
    app: web.Application,
    port: int = 0,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Runs the application and yields its base URL; requests that hang do not delay the end."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        yield f"{'https' if tls else 'http'}://{host}:{site.port}"
    finally:
        await runner.cleanup()


async def serve_app(
    app: web.Application, port: int, host: str, started: Callable[[str], None]
) -> None:
    """Runs the application until cancelled; `started` is told the base URL."""
    async with running(app, port, host) as url:
        started(url)
        await asyncio.Event().wait()
