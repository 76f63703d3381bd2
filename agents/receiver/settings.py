"""The settings of the receiver."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import Field, PositiveFloat, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from streams.base_settings import Settings
from streams.topics import MAX_MESSAGE_BYTES

_SHORTEST_TOKEN = 16


class ReceiverSettings(Settings):
    """The receiver's ports, the proof that mParticle has to give, and the bounds of posts."""

    model_config = SettingsConfigDict(env_prefix="RECEIVER_")

    host: str = Field("127.0.0.1", description="address to take mParticle's posts on")
    port: int = Field(8080, ge=1, le=65535, description="port for that; TLS ends in front of it")
    path: str = Field(
        "/",
        pattern=r"^/[\w./~-]*$",
        description="path that mParticle posts to, such as /mparticle; all others are 404",
    )
    authentication: Literal["token", "none"] = Field(
        "token",
        description="token: posts must carry one of RECEIVER_TOKEN; none: something in front of "
        "the receiver lets only mParticle through",
    )
    token: SecretStr | None = Field(
        None,
        description="what mParticle sends as Authorization: Token …, at least 16 characters; while "
        "it is being exchanged, the old and the new one, parted by a comma",
    )
    registration: str | None = Field(
        None,
        description="the module's registration as JSON, with name and version, to answer "
        "mParticle's module_registration_request; best given as RECEIVER_REGISTRATION_FILE",
    )
    timeout_s: PositiveFloat = Field(
        10,
        description="how long a post may take to arrive, and Kafka to acknowledge it, before "
        "mParticle is asked to send it again",
    )
    max_connections: int = Field(
        1000,
        ge=16,
        description="connections at a time; for more, those that have no request under way are "
        "ended, and where all have one the new ones are answered 503",
    )
    header_timeout_s: PositiveFloat = Field(
        10, description="how long the head of a request may take to arrive"
    )
    max_in_flight_bytes: int = Field(
        64 * 1024 * 1024,
        ge=2 * MAX_MESSAGE_BYTES,
        description="bytes of posts that are read or wait for Kafka, each counted as 64 KiB at "
        "least; above it mParticle is asked to wait",
    )

    @field_validator("token")
    @classmethod
    def _is_not_to_be_guessed(cls, token: SecretStr | None) -> SecretStr | None:
        if token and any(len(each) < _SHORTEST_TOKEN for each in _parted(token)):
            raise ValueError(f"each token needs {_SHORTEST_TOKEN} characters or more")
        if token and not token.get_secret_value().isprintable():
            raise ValueError("use tokens of printable characters, on one line, parted by a comma")
        return token

    @field_validator("registration")
    @classmethod
    def _names_a_module(cls, registration: str | None) -> str | None:
        if registration is None:
            return None
        try:
            document = orjson.loads(registration)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict) or not {"name", "version"} <= document.keys():
            raise ValueError("set it to a JSON object with at least name and version")
        return registration

    def lacking(self) -> Sequence[str]:
        return ("token",) if self.authentication == "token" and self.token is None else ()

    @property
    def tokens(self) -> Sequence[str]:
        """Those that are let in; none when something in front decides."""
        return _parted(self.token) if self.authentication == "token" and self.token else ()

    @property
    def module(self) -> dict[str, Any] | None:
        """The registration that mParticle is told."""
        document: dict[str, Any] | None = orjson.loads(self.registration or b"null")
        return document


def _parted(token: SecretStr) -> Sequence[str]:
    return [each.strip() for each in token.get_secret_value().split(",")]
