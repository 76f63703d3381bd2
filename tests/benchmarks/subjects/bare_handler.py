"""A bare aiohttp handler: it reads a post, and answers 200 without Kafka."""

import asyncio
import os

from aiohttp import web

from tests.benchmarks.meter import Meter


async def _post(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def main() -> None:
    Meter.of_this_process()
    app = web.Application()
    app.router.add_post("/", _post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["RECEIVER_PORT"])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
