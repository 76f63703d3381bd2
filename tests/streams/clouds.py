"""What stands beside a process in each cloud and says who it is, on this machine.

Each answers as its cloud's own manual has it, so that the cloud's own library asks it:
"Container credential provider" (AWS SDKs and Tools Reference Guide), "Using OAuth 2.0 for Server to
Server Applications" (Google Identity), "How to use managed identities for App Service" (Microsoft).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.server import running

ACCOUNT = "streams@shop.iam.gserviceaccount.example"
NAMESPACE = "shop.servicebus.windows.example"
MSK = "b-1.shop.a1b2c3.c4.kafka.eu-west-1.amazonaws.com"
_OURS = ("AWS_", "GOOGLE_", "AZURE_", "IDENTITY_", "MSI_")


@dataclass
class Identity:
    """Gives out who asks, and keeps what it was asked."""

    text: Callable[[], str] = lambda: "not-a-real-token"
    lives_s: int = 3600
    status: int = 200
    asked: list[Mapping[str, str]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def aws(self, request: web.Request) -> web.Response:
        ends = datetime.now(UTC) + timedelta(seconds=self.lives_s)
        return await self._answer(
            request,
            {
                "AccessKeyId": "ASIANOTAREALKEY",
                "SecretAccessKey": self.text(),
                "Token": "not-a-real-session",
                "Expiration": ends.isoformat(),
            },
        )

    async def google(self, request: web.Request) -> web.Response:
        return await self._answer(
            request,
            {"access_token": self.text(), "expires_in": self.lives_s, "token_type": "Bearer"},
        )

    async def azure(self, request: web.Request) -> web.Response:
        return await self._answer(
            request,
            {
                "access_token": self.text(),
                "expires_on": str(int(time.time()) + self.lives_s),
                "resource": request.query["resource"],
                "token_type": "Bearer",
            },
        )

    async def _answer(self, request: web.Request, body: Mapping[str, object]) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append({**request.query, **form})
        await self.answers.wait()
        return web.json_response(body if self.status == 200 else {}, status=self.status)


@asynccontextmanager
async def beside(
    cloud: str, directory: Path, environment: pytest.MonkeyPatch
) -> AsyncIterator[Identity]:
    """Has the libraries find this identity, and nothing of the machine that the tests run on."""
    identity, app = Identity(), web.Application()
    app.router.add_get("/aws", identity.aws)
    app.router.add_post("/google", identity.google)
    app.router.add_get("/azure", identity.azure)
    alone(directory, environment)
    async with running(app) as url:
        given = {
            "msk_iam": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/aws"},
            "gcp": {"GOOGLE_APPLICATION_CREDENTIALS": _key_file(directory, f"{url}/google")},
            "azure": {"IDENTITY_ENDPOINT": f"{url}/azure", "IDENTITY_HEADER": "not-a-real-header"},
        }
        for name, value in given[cloud].items():
            environment.setenv(name, value)
        try:
            yield identity
        finally:
            identity.answers.set()


def alone(directory: Path, environment: pytest.MonkeyPatch) -> None:
    """Has the libraries find nobody, and ask nobody outside of this machine."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            environment.delenv(name)
    nowhere = str(directory / "nowhere")
    for name, value in {
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": nowhere,
        # Those that are meant for servers: no browser, and no tool of a developer's.
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "IDENTITY_ENDPOINT": "http://127.0.0.1:1",
        "IDENTITY_HEADER": "not-a-real-header",
        "NO_PROXY": "*",
    }.items():
        environment.setenv(name, value)


def _key_file(directory: Path, token_url: str) -> str:
    """A service account's key, with which Google's library signs what it asks."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = directory / "service-account.json"
    path.write_bytes(
        orjson.dumps(
            {
                "type": "service_account",
                "project_id": "shop",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": ACCOUNT,
                "token_uri": token_url,
            }
        )
    )
    return str(path)
