"""A simulated Sailthru, and a sink that sends to it over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from agents.sailthru.settings import SailthruSettings
from agents.sailthru.sink import SailthruSink
from models.record import Record
from sandbox.sailthru import Options, Sailthru
from sandbox.server import running
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import LaneKey, Placement
from streams.outcomes import Outcome
from tests.agents.sailthru.factories import NOW_MS, USER
from tests.streams.delivery.requests import send_all

KEY, SECRET = "0a1b2c3d4e5f", "f0f1f2f3-not-a-real-secret"


def settings(**changed: Any) -> SailthruSettings:
    return SailthruSettings(**{"api_key": KEY, "api_secret": SECRET, **changed})


def unpaced() -> Pacer:
    return Pacer(dict.fromkeys(SailthruSink.limits))


class Simulated:
    """The service's side, looked at directly; what it is asked comes over HTTP."""

    def __init__(self, service: Sailthru, url: str) -> None:
        self.service = service
        self.url = url

    @asynccontextmanager
    async def sink(self, pacer: Pacer | None = None, **changed: Any) -> AsyncIterator[SailthruSink]:
        sink = SailthruSink(settings(base_url=self.url, **changed))
        async with sink.session(pacer or unpaced()):
            yield sink

    def requests(self) -> dict[str, int]:
        """How many there were, by method and endpoint."""
        return {name: counts.total() for name, counts in self.service.counts.items()}

    def profiles(self) -> Mapping[str, Any]:
        """By e-mail address."""
        state: Any = self.service.state()
        return {each["keys"].get("email"): each for each in state["profiles"]}

    def lists(self) -> list[Any]:
        state: Any = self.service.state()
        return list(state["lists"])

    def list_names(self) -> list[str]:
        return [each["list"] for each in self.lists()]


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Simulated]:
    service = Sailthru(Options(**{"api_key": KEY, "api_secret": SECRET, **options}))
    async with running(service.app()) as url:
        yield Simulated(service, url)


@asynccontextmanager
async def answering(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Stands in the service's place, and answers whatever is asked as a test says."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with running(app) as url:
        yield url


def lane(sink: SailthruSink, record: Record, at: Placement = USER) -> LaneKey:
    placed = sink.place(record, at, NOW_MS)
    assert isinstance(placed, LaneKey), placed
    return placed


async def deliver(sink: SailthruSink, *records: Record, at: Placement = USER) -> Sequence[Outcome]:
    """Sends records of one lane as one waiting queue; returns an outcome for each request."""
    waiting, outcomes = list(records), []
    while waiting:
        batch = sink.fold(lane(sink, waiting[0], at), waiting)
        outcomes.append(await send_all(sink, batch.request))
        del waiting[: batch.size]
    return outcomes
