"""Tokens to log in to Kafka with (OAUTHBEARER)."""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Literal, NamedTuple, TypeAlias, cast, get_args
from urllib.parse import quote_plus
from weakref import WeakKeyDictionary

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from streams import clocks, cloud_tokens
from streams.addresses import Url
from streams.base_settings import SettingsError
from streams.cloud_tokens import Cloud, CloudError
from streams.http import Answer, Http, HttpSettings, is_success, json_object, whole_number
from streams.outcomes import Misconfigured, RetryRecord, Throttled, Transient, Unavailable

Source: TypeAlias = Literal["oidc", "file"] | Cloud
"""The source of tokens: an identity provider, a file, or a cloud's own library."""

# Kafka's own clients renew a token after this share of its life
# (sasl.login.refresh.window.factor).
_RENEW_SHARE = 0.8
# While a renewal fails and the old token still lives.
_PAUSE_SECONDS = 10.0
# RFC 6750, 2.1; and RFC 7628, 3.1, of which `auth` is taken.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_EXTENSION = re.compile(r"(?!auth=)([A-Za-z]+)=([\x21-\x2b\x2d-\x7e]+)")


class TokenError(KafkaError):  # type: ignore[misc] # published without types
    """There is no token to log in with; the message is one sentence that says what to do."""


class OauthSettings(HttpSettings):
    """The settings that say where tokens for Kafka come from."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_OAUTH_")
    addresses = ("token_url",)

    token_url: Url | None = Field(
        None, description="oidc: the identity provider's address for tokens"
    )
    client_id: str | None = Field(None, description="oidc: who asks for a token")
    client_secret: SecretStr | None = Field(None, description="oidc: the secret of who asks")
    scope: str | None = Field(
        None,
        description="oidc: scopes to ask for, with spaces between; azure: unless set that of the "
        "namespace which KAFKA_BOOTSTRAP_SERVERS names",
    )
    region: str | None = Field(
        None,
        description="msk_iam: the cluster's AWS region, where neither its brokers' names nor "
        "AWS_REGION say it",
    )
    audience: str | None = Field(
        None, description="oidc: whom the token is for, where the identity provider wants to know"
    )
    token: SecretStr | None = Field(
        None,
        description="file: the token; give KAFKA_OAUTH_TOKEN_FILE, which the platform writes anew "
        "before a token ends",
    )
    extensions: str | None = Field(
        None,
        description="what the broker wants to know besides, such as "
        "logicalCluster=lkc-12345,identityPoolId=pool-67890 at Confluent",
    )

    @field_validator("extensions")
    @classmethod
    def _are_extensions(cls, extensions: str | None) -> str | None:
        for each in extensions.split(",") if extensions else ():
            if not _EXTENSION.fullmatch(each.strip()):
                raise ValueError("use name=value,name=value, with letters alone in a name")
        return extensions

    def pairs(self) -> Mapping[str, str]:
        """The extensions by their names."""
        parts = self.extensions.split(",") if self.extensions else ()
        found = (_EXTENSION.fullmatch(each.strip()) for each in parts)
        return {match[1]: match[2] for match in found if match}


_NEEDED: Mapping[Source, Sequence[str]] = {
    "oidc": ("token_url", "client_id", "client_secret"),
    "file": ("token",),
    # Their libraries have variables of their own.
    "msk_iam": (),
    "gcp": (),
    "azure": (),
}


class _Grant(NamedTuple):
    token: str
    renew_at: float
    ends_at: float


class Tokens(AbstractTokenProvider):  # type: ignore[misc] # published without types
    """Gives each connection a token that lives; all clients of a process share one.

    Settings are read again with each token, so that an exchanged secret is found.
    """

    def __init__(
        self, source: Source, host: str, clock: Callable[[], float] = clocks.monotonic
    ) -> None:
        """For the Kafka at that host; raises SettingsError when a setting or package is lacking."""
        self._source: Source = source
        self._host = host
        self._clock = clock
        self._grant: _Grant | None = None
        # Clients live in more than one loop; in each, one asks and the others wait for it.
        self._locks = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()
        self._extensions = _load(source).pairs()

    def extensions(self) -> Mapping[str, str]:
        return self._extensions

    def discard(self) -> None:
        """Forgets the token, because Kafka has refused it."""
        self._grant = None

    async def token(self) -> str:
        """Raises TokenError."""
        try:
            if self._source == "file":
                return _of_file(_load(self._source))
            async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                return await self._of_provider()
        except SettingsError as error:
            raise TokenError(f"Settings are not right: {error}") from error

    async def _of_provider(self) -> str:
        grant = self._grant
        if grant is not None and self._clock() < grant.renew_at:
            return grant.token
        try:
            self._grant = fresh = await self._ask(_load(self._source))
        except TokenError:
            now = self._clock()
            if grant is None or now >= grant.ends_at:
                raise
            self._grant = grant._replace(renew_at=min(now + _PAUSE_SECONDS, grant.ends_at))
            return grant.token
        return fresh.token

    async def _ask(self, settings: OauthSettings) -> _Grant:
        asked_at = self._clock()
        if self._source == "oidc":
            token, seconds = await self._ask_provider(settings)
        else:
            token, seconds = await self._ask_cloud(settings)
        return _Grant(token, asked_at + seconds * _RENEW_SHARE, asked_at + seconds)

    async def _ask_cloud(self, settings: OauthSettings) -> tuple[str, float]:
        """Its library blocks, and so gets a thread; one that hangs goes on there unheard."""
        cloud = cast("Cloud", self._source)
        asking = asyncio.to_thread(
            cloud_tokens.ask, cloud, self._host, settings.region, settings.scope
        )
        try:
            async with asyncio.timeout(settings.timeout_s):
                token = await asking
        except TimeoutError as error:
            limit = OauthSettings.variable("timeout_s")
            raise TokenError(
                f"There is no token for Kafka: KAFKA_OAUTH_PROVIDER={cloud} gives none within "
                f"{limit}={settings.timeout_s:g}."
            ) from error
        except CloudError as error:
            raise TokenError(f"There is no token for Kafka: {error}.") from error
        return token.text, max(0.0, token.ends_at - clocks.wall())

    async def _ask_provider(self, settings: OauthSettings) -> tuple[str, float]:
        assert settings.token_url is not None, "the settings ask for it"
        form = {"grant_type": "client_credentials"}
        form |= {
            name: value
            for name in ("scope", "audience")
            if (value := getattr(settings, name)) is not None
        }
        headers = {"Authorization": _basic(settings), "Accept": "application/json"}
        async with Http.open(settings) as http:
            answer = await http.request("POST", settings.token_url, headers=headers, data=form)
        return _granted(answer)


def _load(source: Source) -> OauthSettings:
    settings = OauthSettings.read()
    if lacking := [name for name in _NEEDED[source] if getattr(settings, name) is None]:
        names = ", ".join(OauthSettings.variable(name) for name in lacking)
        raise SettingsError(f"KAFKA_OAUTH_PROVIDER={source} needs {names}.")
    if source in get_args(Cloud) and (lack := cloud_tokens.lack(cast("Cloud", source))):
        raise SettingsError(lack)
    return settings


def _of_file(settings: OauthSettings) -> str:
    assert settings.token is not None, "the settings ask for it"
    token = settings.token.get_secret_value()
    if not _TOKEN.fullmatch(token):
        raise TokenError(
            "KAFKA_OAUTH_TOKEN_FILE holds no token: have it hold one and nothing else."
        )
    return token


def _basic(settings: OauthSettings) -> str:
    """RFC 6749, 2.3.1."""
    assert settings.client_id is not None
    assert settings.client_secret is not None
    pair = (settings.client_id, settings.client_secret.get_secret_value())
    return "Basic " + base64.b64encode(":".join(map(quote_plus, pair)).encode()).decode()


def _granted(answer: Answer | Transient | Misconfigured) -> tuple[str, float]:
    """The token and its life in seconds, 0 where none is said; raises TokenError."""
    match answer:
        case Misconfigured(what_to_do=what_to_do):
            raise TokenError(f"There is no token for Kafka. {what_to_do}")
        case RetryRecord(reason=reason) | Throttled(reason=reason) | Unavailable(reason=reason):
            raise TokenError(
                f"There is no token for Kafka: KAFKA_OAUTH_TOKEN_URL does not answer ({reason})."
            )
    if is_success(answer.status):
        match json_object(answer.body):
            case {"access_token": str(token), **said} if _TOKEN.fullmatch(token):
                return token, _seconds(said.get("expires_in"))
    if answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise TokenError(
            "There is no token for Kafka: set KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET, "
            "KAFKA_OAUTH_SCOPE and KAFKA_OAUTH_AUDIENCE to what the identity provider knows "
            f"(HTTP {answer.status})."
        )
    raise TokenError(
        "There is no token for Kafka: KAFKA_OAUTH_TOKEN_URL does not answer as an address for "
        f"tokens does (HTTP {answer.status})."
    )


def _seconds(said: object) -> float:
    match said:
        case str():
            return float(whole_number(said) or 0)
        case int() | float() if not isinstance(said, bool):
            return max(0.0, float(said))
    return 0.0
