"""A simulated service whose every yes is told at once."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.server import Service

Told = Callable[[web.Request, bytes], None]


def observed(service: Service, endpoint: str, tell: Told) -> web.Application:
    """Its application; `tell` gets each request to the endpoint that was accepted, and its body."""

    @web.middleware
    async def telling(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if service.endpoint(request) == endpoint and response.status // 100 == 2:
            tell(request, await request.read())
        return response

    app = service.app()
    app.middlewares.append(telling)
    return app
