"""A worker's pages behind the same door as the receiver's ports."""

import asyncio
from typing import Any

from faust.web.drivers import aiohttp

from streams.worker.connection_limits import PAGES, Door, announce, listen


class Web(aiohttp.Web):
    """Faust's web server, except for who listens."""

    _listening: asyncio.Server | None = None

    async def start_server(self) -> None:
        self.web_app.middlewares.append(announce)
        await self._runner.setup()
        conf: Any = self.app.conf
        self._listening = await listen(
            self._runner, Door("pages", PAGES), conf.web_bind, conf.web_port
        )

    async def stop_server(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await super().stop_server()
