"""Groups of settings, read from environment variables and mounted files."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from streams.secret_files import text_of


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence that says what to set."""


def _set(given: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what is blank: a secret not yet written must not switch a lock off."""
    return {name: value for name, value in given.items() if not _is_blank(value)}


def _is_blank(value: Any) -> bool:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return isinstance(text, str) and not text.strip()


def is_service_link(name: str, value: object) -> bool:
    """Returns whether Kubernetes has set the variable: beside a Service "receiver", RECEIVER_PORT.

    Kubernetes documentation, "Service", "Environment variables"; who sets it by hand comes first.
    """
    is_address = isinstance(value, str) and _SERVICE_ADDRESS.match(value) is not None
    return is_address and name.upper().endswith("PORT")


_SERVICE_ADDRESS = re.compile("(tcp|udp|sctp)://")


class _Variables(EnvSettingsSource):
    """Reads `NAME`; a blank one does not hide `NAME_FILE`."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        return _set({n: value for n, value in found.items() if not is_service_link(n, value)})


class _Files(PydanticBaseSettingsSource):
    """Reads `NAME_FILE` where it is set: the value of `NAME` is in that file."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - pydantic's signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        name = f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper()
        path = os.environ.get(name, "")
        if _is_blank(path):
            return None, field_name, False
        try:
            return text_of(Path(path)), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name} names a file that cannot be read: {error}.") from error

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return _set(found)


class Settings(BaseSettings):
    """A group of settings. Subclasses set `env_prefix`; field descriptions become the manual.

    A value that is blank, from wherever it comes, is one that nobody has set. A field that there
    is not is refused where code gives it; what the environment holds beside is told elsewhere
    (streams/unknown_settings.py).
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Variables(settings_cls), _Files(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, given: Any) -> Any:
        return _set(given) if isinstance(given, dict) else given

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Reads the environment, after what is `given`; raises SettingsError with one sentence."""
        settings = cls.read(**given)
        if lacking := settings.lacking():
            raise SettingsError("; ".join(_to_set(cls, name) for name in lacking) + ".")
        return settings

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Like `load`, but fields may be lacking."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_sentence(cls, error)) from None

    def lacking(self) -> Sequence[str]:
        """The fields that others make necessary, and that nobody has set."""
        return ()

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def mounted(cls, field: str) -> Path | None:
        """The file that a setting's value comes from, which may change while the process runs."""
        name = cls.variable(field)
        path = os.environ.get(f"{name}_FILE", "")
        return None if _is_blank(path) or not _is_blank(os.environ.get(name, "")) else Path(path)


def _sentence(cls: type[Settings], error: ValidationError) -> str:
    """Returns what is wrong, each setting once.

    A setting of several kinds (`Literal[…] | datetime`) has an error for each kind that it is not,
    and none of them says what the others would take: its description does.
    """
    errors = error.errors(include_input=False, include_url=False)
    counts = Counter(each["loc"][:1] for each in errors)
    parts: dict[str, None] = {}
    for each in errors:
        field = str(each["loc"][0]) if each["loc"] else ""
        if each["type"] == "missing":
            part = _to_set(cls, field)
        elif each["type"] == "string_pattern_mismatch" or (field and counts[(field,)] > 1):
            meant = cls.model_fields[field].description
            part = f"{cls.variable(field)}: this is not how it is written ({meant})"
        else:
            said = each["msg"].removeprefix("Value error, ")
            part = f"{cls.variable(field)}: {said}" if field else said
        parts[part] = None
    return "; ".join(parts) + "."


def _to_set(cls: type[Settings], field: str) -> str:
    return f"set {cls.variable(field)} ({cls.model_fields[field].description})"
