"""Tokens of clouds, by their own libraries, and with what stands beside a process in a cloud."""

import asyncio
import base64
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from streams import logs
from streams.base_settings import SettingsError
from streams.cloud_tokens import Cloud
from streams.oauth import TokenError, Tokens
from streams.settings import KafkaSettings, WorkerSettings
from tests.streams.clouds import ACCOUNT, MSK, NAMESPACE, Identity, alone, beside

CLOUDS: Mapping[Cloud, str] = {"msk_iam": MSK, "gcp": "bootstrap.shop.example", "azure": NAMESPACE}
MODULES = {
    "msk_iam": "aws_msk_iam_sasl_signer",
    "gcp": "google.auth",
    "azure": "azure.identity",
}


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def as_msk_wants(token: str, identity: Identity) -> None:
    """A signed address for the action of connecting, with whose keys it was signed."""
    address = urlsplit(decoded(token).decode())
    query = parse_qs(address.query)
    assert address.hostname == "kafka.eu-west-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("ASIANOTAREALKEY/")
    assert query["X-Amz-Security-Token"] == ["not-a-real-session"]
    assert query["X-Amz-Expires"] == ["900"]


def as_google_wants(token: str, identity: Identity) -> None:
    header, claims, access = map(decoded, token.split("."))
    assert orjson.loads(header) == {"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}
    told = orjson.loads(claims)
    assert (told["iss"], told["sub"], told["scope"]) == ("Google", ACCOUNT, "kafka")
    assert 3500 < told["exp"] - told["iat"] <= 3600
    assert access == identity.text().encode()


def as_azure_wants(token: str, identity: Identity) -> None:
    assert token == identity.text()
    assert [each["resource"] for each in identity.asked] == [f"https://{NAMESPACE}"]


WANTED = {"msk_iam": as_msk_wants, "gcp": as_google_wants, "azure": as_azure_wants}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_token_is_as_the_cloud_wants_it_and_asked_for_once_for_all_connections(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beside(cloud, tmp_path, monkeypatch) as identity:
        tokens = Tokens(cloud, CLOUDS[cloud])
        given = await asyncio.gather(*(tokens.token() for _ in range(8)))
        assert len(set(given)) == 1
        WANTED[cloud](given[0], identity)
        assert len(identity.asked) == 1


# How long each lives, whatever the keys behind it do.
LIVES = {"msk_iam": 900, "gcp": 3600, "azure": 3600}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_token_is_renewed_before_it_ends_and_serves_on_while_nobody_gives_another(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with beside(cloud, tmp_path, monkeypatch) as identity:
        tokens = Tokens(cloud, CLOUDS[cloud], clock)
        await tokens.token()
        clock.now += LIVES[cloud] * 0.75
        await tokens.token()
        assert len(identity.asked) == 1

        clock.now += LIVES[cloud] * 0.1
        second = await tokens.token()
        assert len(identity.asked) == 2

        alone(tmp_path, monkeypatch)
        clock.now += LIVES[cloud] * 0.85
        assert await tokens.token() == second
        clock.now += LIVES[cloud] * 0.2
        with pytest.raises(TokenError):
            await tokens.token()


TOLD = {
    "msk_iam": "a role or keys that AWS's library finds",
    "gcp": "a service account that Google's library finds",
    "azure": "an identity that Azure's library finds",
}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_where_the_library_finds_nobody_it_is_said_what_to_give_it(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(tmp_path, monkeypatch)
    with pytest.raises(TokenError) as refused:
        await Tokens(cloud, CLOUDS[cloud]).token()
    assert refused.value.args[0].startswith(
        f"There is no token for Kafka: give this process {TOLD[cloud]}"
    )


async def test_a_library_that_hangs_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_OAUTH_TIMEOUT_S", "0.2")
    async with beside("gcp", tmp_path, monkeypatch) as identity:
        identity.answers.clear()
        tokens = Tokens("gcp", CLOUDS["gcp"])
        with pytest.raises(
            TokenError, match="KAFKA_OAUTH_PROVIDER=gcp gives none within KAFKA_OAUTH_TIMEO"
        ):
            await tokens.token()


async def test_the_region_of_a_cluster_is_in_its_name_or_set_or_where_we_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beside("msk_iam", tmp_path, monkeypatch):

        async def region(host: str) -> str:
            token = await Tokens("msk_iam", host).token()
            return str(urlsplit(decoded(token).decode()).hostname).split(".")[1]

        assert await region("boot-1a2b.c3.kafka-serverless.us-east-2.amazonaws.com") == "us-east-2"
        with pytest.raises(TokenError, match="set KAFKA_OAUTH_REGION"):
            await region("kafka.shop.example")
        monkeypatch.setenv("AWS_REGION", "eu-north-1")
        assert await region("kafka.shop.example") == "eu-north-1"
        monkeypatch.setenv("KAFKA_OAUTH_REGION", "eu-south-1")
        assert await region(MSK) == "eu-south-1"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_extra_that_is_not_installed_is_told_with_what_installs_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[cloud], None)
    given: Any = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "OAUTHBEARER",
        "oauth_provider": cloud,
    }
    with pytest.raises(SettingsError) as refused:
        KafkaSettings.load(**given)
    extra = cloud.replace("_", "-")
    assert f"pip install --constraint constraints.txt '.[{extra}]'" in str(refused.value)


@pytest.mark.parametrize("library", ["azure", "botocore", "google.auth", "msal", "urllib3"])
def test_a_clouds_library_never_logs_what_it_signs(library: str) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.set_up(WorkerSettings(log_level="debug"), "router")
        assert not logging.getLogger(f"{library}.anything").isEnabledFor(logging.INFO)
    finally:
        logging.getLogger().handlers, level = before
        logging.getLogger().setLevel(level)
