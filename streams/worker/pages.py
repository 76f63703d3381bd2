"""Makes the pages /metrics, /live and /ready of a process, whoever serves them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from streams import metrics
from streams.engine.gauges import observe_readiness

LIVE = {"live": True}


def ready(why_not: str | None, beware: str | None = None) -> tuple[dict[str, Any], HTTPStatus]:
    """The body and the status; `why_not` is a sentence for whoever must do something.

    `beware` is one too, about what does not keep it from being ready: what is set and lets things
    happen that hardly anybody wants, or what only some suffer from.
    """
    body = {"ready": why_not is None, "why_not": why_not}
    if beware is not None:
        body["beware"] = beware
    return body, HTTPStatus.SERVICE_UNAVAILABLE if why_not else HTTPStatus.OK


def app(
    readiness: Callable[[], tuple[str, str | None]],
    death: Callable[[], str | None],
    beware: Callable[[], str | None],
) -> web.Application:
    """The pages of a process without Faust.

    `readiness` gives one of `metrics.READY_STATES`, and unless it is ready why not; `death` why it
    will never be again, if so. `beware` is asked each time.
    """

    async def _metrics(_: web.Request) -> web.Response:
        observe_readiness(readiness()[0])
        return web.Response(body=metrics.exposition(), content_type="text/plain")

    async def _live(_: web.Request) -> web.Response:
        if (why := death()) is not None:
            return _json({"live": False, "why_not": why}, HTTPStatus.SERVICE_UNAVAILABLE)
        return _json(LIVE)

    async def _ready(_: web.Request) -> web.Response:
        return _json(*ready(readiness()[1], beware()))

    pages = web.Application()
    pages.router.add_get("/metrics", _metrics)
    pages.router.add_get("/live", _live)
    pages.router.add_get("/ready", _ready)
    return pages


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
