"""What is said of a Kafka that cannot be reached, where no real one is needed to see it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiokafka.errors import SaslAuthenticationFailed
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    SaslAuthenticateRequest,
    SaslAuthenticateResponse_v0,
    SaslHandShakeRequest,
    SaslHandShakeResponse_v1,
)
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v4

from streams import logins
from streams.kafka.access import Access
from streams.kafka.diagnosis import diagnose, examine
from streams.settings import KafkaSettings
from tests.streams.answering_broker import HELLO, HOST, broker

SECRET = "not-a-real-password"


async def test_a_connection_that_breaks_once_is_no_wrong_setting() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            server.close()
        writer.close()

    server = await asyncio.start_server(break_off, HOST)
    address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
    said = await diagnose(KafkaSettings(bootstrap_servers=address))

    assert said == (
        f"Kafka at {address} answers at times and breaks connections off at others: look at the "
        "brokers and at what stands between."
    )


async def test_a_connection_that_breaks_at_the_first_question_is_no_login_that_lacks() -> None:
    """A broker that answers to hellos, and to nothing else."""
    async with broker({ApiVersionRequest.API_KEY: HELLO}) as address:
        said = await diagnose(KafkaSettings(bootstrap_servers=address))

    assert "login" not in said
    assert address in said


async def test_a_kafka_that_was_only_slow_is_not_called_away() -> None:
    """As one that has no coordinator for a group yet: somebody has waited in vain, and it is up."""
    knows_of_no_others = MetadataResponse_v4.SCHEMA.encode((0, [], None, -1, []))
    answers = {ApiVersionRequest.API_KEY: HELLO, MetadataRequest.API_KEY: knows_of_no_others}
    async with broker(answers) as address:
        found = await examine(KafkaSettings(bootstrap_servers=address))

    assert found.said.startswith(f"Kafka at {address} answers, and did not answer all")
    assert not found.is_locked_out


@asynccontextmanager
async def door(first_word: bytes = b"") -> AsyncIterator[str]:
    """Whoever takes connections and breaks them off, after a word of its own; gives its address."""
    served = set[asyncio.Future[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.ensure_future(writer.wait_closed()))
        await reader.read(1)
        writer.write(first_word)
        writer.close()

    async with await asyncio.start_server(serve, HOST) as server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*served, return_exceptions=True)


AUTHORITY = trustme.CA()


def secured(*, asks_for_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(HOST).configure_cert(context)
    if asks_for_certificate:
        AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def trusting(tmp_path: Path) -> Callable[[str], KafkaSettings]:
    """Settings for TLS at an address."""
    file = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(file)
    return lambda address: KafkaSettings(
        bootstrap_servers=address, security_protocol="SSL", ssl_cafile=file
    )


Servers = Mapping[str, Callable[[], AbstractAsyncContextManager[str]]]
WITHOUT_A_WORD: Servers = {
    "before a handshake": door,
    "after a handshake": lambda: broker({}, secured()),
}
NOT_TLS: Servers = {
    "a Kafka": lambda: broker({ApiVersionRequest.API_KEY: HELLO}),
    "a web server": lambda: door(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
}
TLS: Servers = {
    "a Kafka": lambda: broker({ApiVersionRequest.API_KEY: HELLO}, secured()),
    "a Kafka that asks for certificates": lambda: broker(
        {ApiVersionRequest.API_KEY: HELLO}, secured(asks_for_certificate=True)
    ),
}


@pytest.mark.parametrize("when", WITHOUT_A_WORD)
async def test_who_breaks_off_without_a_word_speaks_no_wrong_protocol(
    when: str, trusting: Callable[[str], KafkaSettings]
) -> None:
    """As a broker does that starts, and a load balancer without a broker behind it."""
    async with WITHOUT_A_WORD[when]() as address:
        found = await examine(trusting(address))
    assert found.said.startswith(f"Kafka at {address} breaks connections off without a word")
    assert not found.is_locked_out


async def test_who_breaks_off_without_a_word_in_clear_is_away_too() -> None:
    async with door() as address:
        found = await examine(KafkaSettings(bootstrap_servers=address))
    assert found.said.startswith(f"Kafka at {address} breaks connections off without a word")
    assert not found.is_locked_out


@pytest.mark.parametrize("what", NOT_TLS)
async def test_who_answers_in_clear_speaks_no_tls(
    what: str, trusting: Callable[[str], KafkaSettings]
) -> None:
    """Also a Kafka, which breaks off at a hello of TLS and answers to its own."""
    async with NOT_TLS[what]() as address:
        found = await examine(trusting(address))
    assert "it does not speak TLS on that port" in found.said
    assert found.is_locked_out


@pytest.mark.parametrize("what", TLS)
async def test_who_takes_a_hello_of_tls_speaks_it(what: str) -> None:
    async with TLS[what]() as address:
        found = await examine(KafkaSettings(bootstrap_servers=address))
    assert found.said == f"Kafka at {address} speaks TLS: set KAFKA_SECURITY_PROTOCOL to SSL."
    assert found.is_locked_out


async def test_a_broker_that_breaks_off_does_not_hide_one_that_refuses() -> None:
    async with door() as restarting, broker(refusing("Access denied")) as there:
        found = await examine(login(f"{restarting},{there}"))
    assert f"Kafka at {there} refuses the login" in found.said


def refusing(words: str) -> dict[int, bytes]:
    """A broker that takes nobody's password, and says so."""
    refusal = (SaslAuthenticationFailed.errno, words, b"")
    return {
        ApiVersionRequest.API_KEY: HELLO,
        SaslHandShakeRequest.API_KEY: SaslHandShakeResponse_v1.SCHEMA.encode((0, ["PLAIN"])),
        SaslAuthenticateRequest.API_KEY: SaslAuthenticateResponse_v0.SCHEMA.encode(refusal),
    }


def login(address: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=address,
        security_protocol="SASL_PLAINTEXT",
        sasl_username="mparticle-streams",
        sasl_password=SECRET,
    )


WORDS = {
    "Authentication failed: Invalid username or password": (
        ' It says: "Authentication failed: Invalid username or password".'
    ),
    "[0b6a1f] Access denied\n\x1b[2J": ' It says: "[0b6a1f] Access denied[2J".',
    "word " * 100: f' It says: "{("word " * 40).strip()}".',
    f"the password {SECRET} is wrong": "",
    "what is eyJhbGciOiJub25lIn0." + "x" * 60: "",
    "": "",
}


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
async def test_a_broker_is_quoted_on_one_line_and_never_with_a_secret(words: str) -> None:
    async with broker(refusing(words)) as address:
        found = await examine(login(address))
    assert found.is_locked_out
    assert found.said == (
        f"Kafka at {address} refuses the login by PLAIN: set KAFKA_SASL_USERNAME, "
        f"KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM to what it knows.{WORDS[words]}"
    )


async def test_a_broker_is_looked_at_when_a_connection_was_refused_and_not_before() -> None:
    logins.forget_closed_doors()
    async with broker(refusing("Access denied")) as address:
        kafka = login(address)
        access = Access(kafka)
        await access.look()
        before = access.locked_out
        await diagnose(kafka)  # as any client of the process would have met it
        await access.look()
        after = access.locked_out
    await access.look()

    assert before is None
    assert after is not None
    assert 'It says: "Access denied". Its environment is read at the start alone' in after
    # Nobody is there any more: that is another matter.
    assert access.locked_out is None


async def test_what_is_read_again_from_a_file_needs_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "password"
    secret.write_text(SECRET)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(secret))
    async with broker(refusing("Access denied")) as address:
        access = Access(login(address))
        await diagnose(login(address))
        await access.look()
    assert access.locked_out is not None
    assert access.locked_out.endswith('It says: "Access denied".')
