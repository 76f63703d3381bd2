"""A worker that Kafka lets in no more says so, and goes on when its secret is mended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from agents import rights as components
from streams.topics import EVENTS, RAW
from tests.kafka.acls import grant
from tests.kafka.routers import Router, eventually, running
from tests.kafka.secured import PASSWORD, USER, Secured, token
from tests.started_workers import get
from tests.streams.cluster import create, read, settings, write

pytestmark = pytest.mark.kafka

MESSAGE = orjson.dumps(
    {
        "mpid": "7001",
        "environment": "production",
        "events": [
            {
                "event_type": "custom_event",
                "data": {"event_name": "Wished", "timestamp_unixtime_ms": 1_767_225_600_000},
            }
        ],
    }
)


@dataclass(frozen=True)
class Way:
    """One way to log in: its settings, what is in the secret's file, and what Kafka takes not."""

    given: Mapping[str, str]
    file: str
    right: Callable[[], str]
    wrong: Callable[[], str]
    told: tuple[str, ...]


WAYS = {
    "password": Way(
        {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": USER},
        "KAFKA_SASL_PASSWORD_FILE",
        lambda: PASSWORD,
        lambda: "what-kafka-knows-no-more",
        (
            "refuses the login by SCRAM-SHA-512",
            'It says: "Authentication failed during authentication due to invalid credentials',
            "set KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM",
        ),
    ),
    "token": Way(
        {"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_OAUTH_PROVIDER": "file"},
        "KAFKA_OAUTH_TOKEN_FILE",
        lambda: token(3600),
        lambda: token(-1),
        ("refuses the token", "It says: ", "invalid_token", "KAFKA_OAUTH_PROVIDER=file"),
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_login_that_is_refused_is_told_and_a_mended_secret_is_taken_without_a_restart(
    broker: Secured, prefix: str, tmp_path: Path, way: str
) -> None:
    chosen = WAYS[way]
    plain = settings(broker.broker, prefix)
    await create(plain)
    await grant(broker, USER, components.of("router").on(plain))
    secret, right, wrong = tmp_path / "secret", chosen.right(), chosen.wrong()
    secret.write_text(right)
    router = Router(
        broker.settings("BRIEF", prefix=prefix),
        tmp_path / "log",
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_SSL_CAFILE=str(broker.ca_file),
        KAFKA_INITIAL_OFFSET="earliest",
        KAFKA_SESSION_TIMEOUT_S="6",
        **{**chosen.given, chosen.file: str(secret)},
    )
    async with running(router):
        await eventually(lambda: '"ready":true' in router.why_not())
        secret.write_text(wrong)
        await eventually(lambda: "authentication_failed" in router.why_not())
        why_not = router.why_not()
        metrics = get(f"{router.url}/metrics")[1].decode()
        live = get(f"{router.url}/live")[0]
        await write(plain, RAW, MESSAGE)
        secret.write_text(right)
        await eventually(lambda: '"ready":true' in router.why_not())
        [routed] = await read(plain, EVENTS, 1)
        code = router.process.code

    assert all(each in orjson.loads(why_not)["why_not"] for each in chosen.told), why_not
    assert 'readiness{state="authentication_failed"} 1.0' in metrics
    assert live == 200
    assert code is None
    assert orjson.loads(routed.value)["name"] == "Wished"
    said = router.said()
    assert '"state":"authentication_failed"' in said.replace(": ", ":")
    for shown in (why_not, said, metrics):
        assert wrong not in shown
        assert right not in shown
