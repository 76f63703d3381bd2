"""Both destinations as the workers' processes find them, and what reached them."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from cli.demo.world import WorkerProcess, worker_environment
from models.audience_membership import MembershipChanged
from models.event import Event
from models.record import Identity, RawPosition
from sandbox.ab_tasty import AbTasty
from sandbox.ports import free_ports
from sandbox.sailthru import Options, Sailthru
from sandbox.server import Service, running
from streams.kafka.batch_writer import Outgoing
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.routed import written

USER = 7_700_112_200
"""Of each user the mpid; no other number in a request looks like it."""
_USER = re.compile(r"77001122(\d\d)")

RECORDS = 6
"""In each of two partitions, of users 0 to 5 and 6 to 11."""


def mpid(number: int) -> str:
    return str(USER + number)


def email(number: int) -> str:
    return f"user{mpid(number)}@shop.example"


def event(number: int) -> Outgoing:
    """An event of a user."""
    return written(Event(kind="custom_event", name="Read", **common(number)))


def membership(number: int) -> Outgoing:
    """That a user has joined an audience."""
    audience = {"audience_id": "2101", "audience_name": "Readers"}
    return written(MembershipChanged(change="joined", **audience, **common(number)))


def common(number: int) -> dict[str, Any]:
    """What all records of a user say."""
    return {
        "id": f"record-{number}",
        "mpid": mpid(number),
        "identities": (Identity(type="email", value=email(number)),),
        "received_at_ms": int(time.time() * 1000),
        "raw": RawPosition(topic=RAW.name, partition=0, offset=number, index=0),
    }


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
