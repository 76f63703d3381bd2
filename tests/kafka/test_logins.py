"""Ways to log in, and that each connection does so with what is right by then."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiokafka.conn
import pytest
from aiohttp import BasicAuth, web
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed

from sandbox.ports import HOST
from sandbox.server import running
from streams import logins
from streams.kafka.access import Access
from streams.kafka.clients import reading
from streams.kafka.diagnosis import diagnose
from streams.settings import KafkaSettings
from tests.kafka.secured import LOCK, PASSWORD, USER, Secured, token
from tests.streams.clouds import beside

pytestmark = [
    pytest.mark.kafka,
    # A connection that is refused ends some time after we have let go of it.
    pytest.mark.asyncio(loop_scope="session"),
]

BEARER = {"sasl_mechanism": "OAUTHBEARER", "sasl_username": None, "sasl_password": None}


async def connect(options: Mapping[str, Any]) -> None:
    """Makes one connection as a client does each time that it has lost one."""
    others = dict(options)
    host, _, port = others.pop("bootstrap_servers").rpartition(":")
    del others["metadata_max_age_ms"]  # a client's own
    connection = await create_conn(host, int(port), **others)
    connection.close()


def shown(broker: Secured, name: str, **changed: Any) -> KafkaSettings:
    return broker.settings("MUTUAL", ssl_certfile=broker.certificates[name], **changed)


@pytest.mark.parametrize("locked", [False, True])
async def test_a_broker_that_asks_for_a_certificate_lets_us_in_with_one(
    broker: Secured, locked: bool
) -> None:
    key = {"ssl_keyfile": broker.certificates["locked"], "ssl_key_password": LOCK} if locked else {}
    async with reading(shown(broker, "ours", **key)) as consumer:
        await consumer.topics()


@pytest.mark.parametrize("name", ["expired", "foreign"])
async def test_a_certificate_of_ours_that_a_broker_does_not_take_is_told(
    broker: Secured, name: str
) -> None:
    said = await diagnose(shown(broker, name))
    assert "it does not take our certificate; set KAFKA_SSL_CERTFILE" in said


async def test_a_certificate_is_read_anew_for_each_connection(
    broker: Secured, tmp_path: Path
) -> None:
    file = tmp_path / "client.pem"
    file.write_bytes(broker.certificates["foreign"].read_bytes())
    options = broker.settings("MUTUAL", ssl_certfile=file).client_options()
    with pytest.raises((OSError, KafkaConnectionError)):
        await connect(options)

    file.write_bytes(broker.certificates["renewed"].read_bytes())
    await connect(options)
    file.write_bytes(b"half of")  # while it is being exchanged, the one before
    await connect(options)


async def test_a_certificate_that_is_not_taken_any_more_is_told_while_it_is_so(
    broker: Secured, tmp_path: Path
) -> None:
    """As a process meets it that has run for long, and has to connect anew."""
    logins.forget_closed_doors()
    file = tmp_path / "client.pem"
    file.write_bytes(broker.certificates["ours"].read_bytes())
    kafka = broker.settings("MUTUAL", ssl_certfile=file)
    access, options = Access(kafka), kafka.client_options()
    told = []
    for name in ("ours", "expired", "renewed"):
        file.write_bytes(broker.certificates[name].read_bytes())
        with contextlib.suppress(OSError, KafkaConnectionError):
            await connect(options)
        await access.look()
        told.append(access.locked_out)

    assert (told[0], told[2]) == (None, None)
    assert "it does not take our certificate; set KAFKA_SSL_CERTFILE" in str(told[1])


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_password_is_read_anew_for_each_connection(
    broker: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    file = tmp_path / "password"
    file.write_text("the-one-before")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(file))
    options = broker.settings(
        "SECURED", sasl_mechanism=mechanism, sasl_password=None
    ).client_options()
    with pytest.raises(SaslAuthenticationFailed):
        await connect(options)

    file.write_text(f"{PASSWORD}\n")
    await connect(options)


async def test_a_token_of_a_file_is_read_anew_for_each_connection(
    broker: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(token(-1))
    monkeypatch.setenv("KAFKA_OAUTH_TOKEN_FILE", str(file))
    kafka = broker.settings("SECURED", oauth_provider="file", **BEARER)
    options = kafka.client_options()
    with pytest.raises(SaslAuthenticationFailed):
        await connect(options)
    assert "refuses the token" in await diagnose(kafka)

    file.write_text(token(60))
    await connect(options)
    file.write_text("two words")
    assert "KAFKA_OAUTH_TOKEN_FILE holds no token" in await diagnose(kafka)


async def test_a_token_of_a_clouds_library_lets_us_in(
    broker: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beside("azure", tmp_path, monkeypatch) as identity:
        identity.text = lambda: token(60)
        options = broker.settings("SECURED", oauth_provider="azure", **BEARER).client_options()
        await asyncio.gather(*(connect(options) for _ in range(4)))
    assert [each["resource"] for each in identity.asked] == [f"https://{HOST}"]


@dataclass
class IdentityProvider:
    """Gives tokens of `lives_s` to who knows the secret, and keeps what it was asked."""

    lives_s: float = 3600
    asked: list[Mapping[str, object]] = field(default_factory=list)

    async def token(self, request: web.Request) -> web.Response:
        login = BasicAuth.decode(request.headers["Authorization"])
        self.asked.append({**await request.post(), "client": login.login})
        if login.password != "not-a-real-secret":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": token(self.lives_s), "expires_in": self.lives_s})


@asynccontextmanager
async def identity_provider(
    monkeypatch: pytest.MonkeyPatch, **given: str
) -> AsyncIterator[IdentityProvider]:
    provider, app = IdentityProvider(), web.Application()
    app.router.add_post("/token", provider.token)
    async with running(app) as url:
        settings = {
            "TOKEN_URL": f"{url}/token",
            "CLIENT_ID": USER,
            "CLIENT_SECRET": "not-a-real-secret",
            **given,
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"KAFKA_OAUTH_{name}", value)
        yield provider


async def test_an_identity_provider_is_asked_once_for_many_connections(
    broker: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    extensions = "logicalCluster=lkc-1,identityPoolId=pool-1"
    given = {"SCOPE": "kafka", "AUDIENCE": "cluster-1", "EXTENSIONS": extensions}
    async with identity_provider(monkeypatch, **given) as provider:
        kafka = broker.settings("SECURED", oauth_provider="oidc", **BEARER)
        options = kafka.client_options()
        await asyncio.gather(*(connect(options) for _ in range(8)))
        async with reading(kafka.called("worker")) as consumer:
            await consumer.topics()

    assert provider.asked == [
        {
            "grant_type": "client_credentials",
            "client": USER,
            "scope": "kafka",
            "audience": "cluster-1",
        }
    ]


async def test_a_token_that_kafka_refuses_is_asked_for_anew(
    broker: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with identity_provider(monkeypatch) as provider:
        options = broker.settings("SECURED", oauth_provider="oidc", **BEARER).client_options()
        provider.lives_s = -1
        with pytest.raises(SaslAuthenticationFailed):
            await connect(options)
        provider.lives_s = 60
        await connect(options)
    assert len(provider.asked) == 2


async def test_a_secret_that_the_identity_provider_refuses_is_told(
    broker: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with identity_provider(monkeypatch, CLIENT_SECRET="wrong"):
        said = await diagnose(broker.settings("SECURED", oauth_provider="oidc", **BEARER))
    assert "set KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET" in said
    assert "wrong" not in said
    said = await diagnose(broker.settings("SECURED", oauth_provider="oidc", **BEARER))
    assert "KAFKA_OAUTH_TOKEN_URL does not answer (unreachable)" in said


async def test_aiokafka_makes_its_connections_as_we_think_it_does() -> None:
    KafkaSettings().client_options()
    assert create_conn.__globals__ is vars(aiokafka.conn)
    assert "AIOKafkaConnection" in create_conn.__code__.co_names
