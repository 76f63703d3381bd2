"""Both destinations as the workers' processes find them, and what reached them."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_plus

from aiohttp import web

from cli.demo.world import WorkerProcess, worker_environment
from sandbox.ab_tasty import AbTasty
from sandbox.ports import free_ports
from sandbox.sailthru import Options, Sailthru
from sandbox.server import Service, running
from streams.settings import KafkaSettings

USER = 7_700_112_200
"""Of each user the mpid; no other number in a request looks like it."""
_USER = re.compile(r"77001122(\d\d)")


def mpid(number: int) -> str:
    return str(USER + number)


def email(number: int) -> str:
    return f"user{mpid(number)}@shop.example"


@dataclass
class Outside:
    """`sent` counts in how many requests to a destination each user was."""

    cluster: KafkaSettings
    directory: Path
    sent: Counter[int] = field(default_factory=Counter)
    urls: Mapping[str, str] = field(default_factory=dict)

    def start(self, worker: str) -> WorkerProcess:
        environment = worker_environment(
            self.cluster.bootstrap_servers, next(free_ports()), **self.urls
        )
        return WorkerProcess(
            worker,
            self.directory / f"{worker}.log",
            {**environment, "KAFKA_PREFIX": self.cluster.prefix},
        )

    def watch(self, service: Service) -> web.Application:
        @web.middleware
        async def note(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            body = unquote_plus((await request.read()).decode())
            self.sent.update({int(number) for number in _USER.findall(body)})
            return await handler(request)

        app = service.app()
        app.middlewares.append(note)
        return app


@asynccontextmanager
async def outside(cluster: KafkaSettings, directory: Path) -> AsyncIterator[Outside]:
    made = Outside(cluster, directory)
    async with (
        running(made.watch(Sailthru(Options(factor=50.0)))) as sailthru,
        running(made.watch(AbTasty())) as ab_tasty,
    ):
        made.urls = {"sailthru": sailthru, "ab_tasty": ab_tasty}
        yield made
