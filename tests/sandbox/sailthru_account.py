"""A caller of the simulated Sailthru that signs by itself, so that both sides can be wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import md5
from typing import Any

import aiohttp
import orjson

from sandbox.sailthru import Options, Sailthru
from sandbox.server import running

KEY, SECRET = "0a1b2c3d4e5f", "a-secret"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any  # whatever JSON the service sends

    @property
    def refusal(self) -> tuple[int, int]:
        return self.status, self.body["error"]


def signed(text: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    # A hexadecimal key sorts before "json", and that before an object.
    values = f"{secret}{key}json{text}".encode()
    signature = md5(values, usedforsecurity=False).hexdigest()
    return {"api_key": key, "format": "json", "json": text, "sig": signature}


@dataclass(frozen=True)
class Account:
    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, endpoint: str, **arguments: object) -> Answer:
        return await self.send(method, endpoint, signed(orjson.dumps(arguments).decode()))

    async def send(self, method: str, endpoint: str, parameters: dict[str, str]) -> Answer:
        data, params = (parameters, None) if method == "POST" else (None, parameters)
        url = f"{self.url}/{endpoint}"
        async with self.session.request(method, url, data=data, params=params) as response:
            return Answer(response.status, dict(response.headers), await response.json())

    async def post_user(self, **arguments: object) -> Answer:
        return await self.call("POST", "user", **arguments)

    async def post_event(self, **arguments: object) -> Answer:
        return await self.call("POST", "event", **arguments)

    async def state(self) -> Any:
        async with self.session.get(f"{self.url}/_sandbox/state") as response:
            return await response.json()

    async def profiles(self) -> list[Any]:
        return list((await self.state())["profiles"])

    async def lists(self) -> list[Any]:
        return list((await self.state())["lists"])


@asynccontextmanager
async def account(**options: Any) -> AsyncIterator[Account]:
    """A running service without the time that making a list takes, and its caller."""
    defaults: dict[str, Any] = {"api_key": KEY, "api_secret": SECRET, "list_creation_delay": 0.0}
    service = Sailthru(Options(**defaults | options))
    timeout = aiohttp.ClientTimeout(10)
    async with running(service.app()) as url, aiohttp.ClientSession(timeout=timeout) as session:
        yield Account(url, session)
