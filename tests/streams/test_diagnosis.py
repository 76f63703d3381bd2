"""What is said of a Kafka that cannot be reached, where no real one is needed to see it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.errors import SaslAuthenticationFailed
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    ApiVersionResponse_v0,
    SaslAuthenticateRequest,
    SaslAuthenticateResponse_v0,
    SaslHandShakeRequest,
    SaslHandShakeResponse_v1,
)

from streams import logins
from streams.kafka.access import Access
from streams.kafka.diagnosis import diagnose, examine
from streams.settings import KafkaSettings

HOST = "127.0.0.1"
HELLO = ApiVersionResponse_v0.SCHEMA.encode((0, [(3, 0, 4), (17, 1, 1), (18, 0, 0), (36, 0, 0)]))
SECRET = "not-a-real-password"


@asynccontextmanager
async def broker(answers: Mapping[int, bytes]) -> AsyncIterator[str]:
    """Answers these requests, by their API keys, and breaks off at any other; gives its address."""
    served = set[asyncio.Future[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.ensure_future(writer.wait_closed()))
        while True:
            try:
                size = int.from_bytes(await reader.readexactly(4), "big")
                request = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            if (answer := answers.get(int.from_bytes(request[:2], "big"))) is None:
                break
            body = request[4:8] + answer
            writer.write(len(body).to_bytes(4, "big") + body)
        writer.close()

    async with await asyncio.start_server(serve, HOST) as server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    # Whoever was refused lets go of the connection some time after it was told.
    await asyncio.gather(*served, return_exceptions=True)


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
