"""What the simulated services saw, in order, and from whom."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from sandbox import ab_tasty, sailthru
from sandbox.server import Service
from tests.chaos.moments import Moments

# What changes something at a destination's users.
_KEPT = ("POST user", "POST event", "POST segments")


@dataclass(slots=True)
class Request:
    """One request; `source` is the process that sent it.

    `done` is when it took effect; `answered` when its success went to a client that was still
    there. Each is None when that never came to be.
    """

    endpoint: str
    source: str
    body: bytes
    arrived: float
    done: float | None = None
    answered: float | None = None


_ENTRY = web.RequestKey("chaos_entry", Request)


@dataclass
class Journal:
    """All requests, as they arrived."""

    moments: Moments
    requests: list[Request] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    """Port of a simulator -> the process that was told to use it."""

    def watch(self, app: web.Application, service: Service) -> web.Application:
        @web.middleware
        async def note(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            endpoint = service.endpoint(request)
            if endpoint not in _KEPT or request.transport is None:
                return await handler(request)
            port = request.transport.get_extra_info("sockname")[1]
            body = await request.read()
            entry = request[_ENTRY] = Request(
                endpoint, self.sources[port], body, self.moments.now()
            )
            self.requests.append(entry)
            response = await handler(request)
            client = request.transport
            if entry.done is not None and client is not None and not client.is_closing():
                entry.answered = self.moments.now()
            return response

        app.middlewares.append(note)
        return app

    def took_effect(self, request: web.Request, answer: web.Response) -> web.Response:
        entry = request.get(_ENTRY)
        if entry is not None and answer.status < HTTPStatus.MULTIPLE_CHOICES:
            entry.done = self.moments.now()
        return answer


class Sailthru(sailthru.Sailthru):
    """The simulated Sailthru, with a journal."""

    def __init__(self, journal: Journal, options: sailthru.Options) -> None:
        super().__init__(options)
        self._journal = journal

    def app(self) -> web.Application:
        return self._journal.watch(super().app(), self)

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        return self._journal.took_effect(request, await super().answer(request, body))


class AbTasty(ab_tasty.AbTasty):
    """The simulated AB Tasty, with a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def app(self) -> web.Application:
        return self._journal.watch(super().app(), self)

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        return self._journal.took_effect(request, await super().answer(request, body))
