"""A caller of the simulated AB Tasty, with or without a token."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp

from sandbox.ab_tasty import AbTasty, Options
from sandbox.faults import Fault
from sandbox.server import running

CREDENTIALS = {
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
    "grant_type": "client_credentials",
}
UPLOAD = "/accounts/sandbox-account/segments/mparticle"


def csv(*rows: str) -> bytes:
    return "\n".join(["visitor_id,segment,value", *rows, ""]).encode()


@dataclass
class Account:
    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON; a body that is not bytes goes out as JSON."""
        data, json = (BytesIO(body), None) if isinstance(body, bytes) else (None, body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.url + path, data=data, json=json, headers=self.headers | named
        ) as response:
            return response.status, await response.json()

    async def log_in(self) -> None:
        status, token = await self.send("POST", "/oauth/v2/token", CREDENTIALS)
        assert status == 200
        self.headers = {"Authorization": f"Bearer {token['access_token']}"}

    async def upload(
        self, body: bytes, media_type: str = "text/csv", path: str = UPLOAD
    ) -> tuple[int, Any]:
        return await self.send("POST", path, body, Content_Type=media_type)

    async def state(self) -> Any:
        async with self.session.get(f"{self.url}/_sandbox/state") as response:
            return await response.json()

    async def segments(self) -> dict[str, dict[str, str]]:
        return dict((await self.state())["segments"])


@asynccontextmanager
async def account(*faults: Fault, **options: Any) -> AsyncIterator[Account]:
    """A running service and a caller of it that has a token."""
    async with stranger(faults, **options) as called:
        await called.log_in()
        yield called


@asynccontextmanager
async def stranger(faults: Iterable[Fault] = (), **options: Any) -> AsyncIterator[Account]:
    """A running service and a caller of it without a token."""
    service = AbTasty(Options(**options), faults)
    timeout = aiohttp.ClientTimeout(10)
    async with running(service.app()) as url, aiohttp.ClientSession(timeout=timeout) as session:
        yield Account(url, session)
