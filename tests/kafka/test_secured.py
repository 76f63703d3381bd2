"""What stands between a worker and a secured Kafka is told by its name, and by what to set."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from sandbox.ports import HOST
from sandbox.server import running
from streams.engine.startup import StartError, prepare
from streams.kafka.clients import UnansweredError, reading
from streams.kafka.diagnosis import diagnose
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.cli.command import run
from tests.kafka.secured import PASSWORD, Secured

pytestmark = [
    pytest.mark.kafka,
    # A connection that is refused ends some time after we have let go of it.
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.mark.parametrize(
    ("listener", "changed"),
    [
        ("SECURED", {}),
        ("SECURED", {"sasl_mechanism": "PLAIN"}),
        ("ENCRYPTED", {}),
        ("CLEAR", {}),
    ],
)
async def test_what_is_set_right_is_let_in(
    broker: Secured, listener: str, changed: dict[str, Any]
) -> None:
    async with reading(broker.settings(listener, **changed)) as consumer:
        assert await consumer.topics() is not None


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "untrusted": ("SECURED", {"ssl_cafile": None}, "set KAFKA_SSL_CAFILE to"),
    "signed by another": ("SECURED", {"ssl_cafile": "another"}, "set KAFKA_SSL_CAFILE to"),
    "expired": ("EXPIRED", {}, "its certificate has expired"),
    "another name": ("MISNAMED", {}, "its certificate is for another name"),
    "a certificate of ours": ("MUTUAL", {}, "it asks for a certificate of ours"),
    "password": ("SECURED", {"sasl_password": "wrong"}, "refuses the login"),
    "password, plain": (
        "SECURED",
        {"sasl_password": "wrong", "sasl_mechanism": "PLAIN"},
        "refuses the login",
    ),
    "user": ("SECURED", {"sasl_username": "nobody"}, "refuses the login"),
    "mechanism": ("SECURED", {"sasl_mechanism": "SCRAM-SHA-256"}, "set KAFKA_SASL_MECHANISM"),
    "no login, encrypted": (
        "SECURED",
        {"security_protocol": "SSL"},
        "PROTOCOL to SASL_SSL",
    ),
    "no login": ("CLEAR", {"security_protocol": "PLAINTEXT"}, "PROTOCOL to SASL_PLAINTEXT"),
    "no TLS": ("CLEAR", {"security_protocol": "SASL_SSL"}, "it does not speak TLS on that port"),
    "TLS": ("SECURED", {"security_protocol": "SASL_PLAINTEXT"}, "PROTOCOL to SASL_SSL"),
    "TLS without login": ("ENCRYPTED", {"security_protocol": "PLAINTEXT"}, "PROTOCOL to SSL"),
    "a login too much": (
        "ENCRYPTED",
        {
            "security_protocol": "SASL_SSL",
            "sasl_username": "mparticle-streams",
            "sasl_password": PASSWORD,
        },
        "set KAFKA_SECURITY_PROTOCOL to SSL",
    ),
}


def _given(broker: Secured, case: str) -> KafkaSettings:
    listener, changed, _ = REFUSALS[case]
    if changed.get("ssl_cafile") == "another":
        changed = {"ssl_cafile": broker.other_ca_file}
    return broker.settings(listener, **changed)


@pytest.mark.parametrize("case", REFUSALS)
async def test_each_way_to_be_refused_has_its_own_sentence(broker: Secured, case: str) -> None:
    said = await diagnose(_given(broker, case))
    assert REFUSALS[case][2] in said
    assert "does not answer at" not in said
    assert PASSWORD not in said


async def test_a_broker_that_names_itself_where_nobody_is_is_told(broker: Secured) -> None:
    port = broker.broker.listeners[broker.nowhere]
    said = await diagnose(KafkaSettings(bootstrap_servers=f"{HOST}:{port}"))
    assert f"names a broker {HOST}:{broker.nowhere} that cannot be reached" in said


async def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = await diagnose(KafkaSettings(bootstrap_servers="kafka.invalid:9092"))
    assert said.startswith("The name kafka.invalid is not known here")


async def test_what_is_no_kafka_is_told() -> None:
    async with running(web.Application()) as url:
        address = url.removeprefix("http://")
        said = await diagnose(KafkaSettings(bootstrap_servers=address))
    assert said.startswith(f"Kafka at {address} does not answer as Kafka does")


@pytest.mark.parametrize("case", ["untrusted", "password"])
async def test_commands_workers_and_check_say_the_same(broker: Secured, case: str) -> None:
    kafka = _given(broker, case)
    said = await diagnose(kafka)
    with pytest.raises(UnansweredError) as refused:
        async with reading(kafka):
            pass
    assert str(refused.value) == said
    with pytest.raises(StartError) as stopped:
        await prepare(kafka, "group", [RAW])
    assert str(stopped.value) == said
    given = {
        f"KAFKA_{name.upper()}": str(getattr(kafka, name))
        for name in ("bootstrap_servers", "security_protocol", "sasl_mechanism", "sasl_username")
    }
    if kafka.ssl_cafile:
        given["KAFKA_SSL_CAFILE"] = str(kafka.ssl_cafile)
    assert kafka.sasl_password is not None
    given["KAFKA_SASL_PASSWORD"] = kafka.sasl_password.get_secret_value()
    shown = await asyncio.to_thread(run, "check", settings=given)
    assert f"WRONG  {said}" in shown.stdout
