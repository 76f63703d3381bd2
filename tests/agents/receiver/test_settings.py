"""Wrong settings are one sentence; tokens are not shown."""

from pathlib import Path

import orjson
import pytest

from agents.receiver.settings import ReceiverSettings
from streams.base_settings import SettingsError

TOKEN = "invented-token-of-mparticle"
MODULE = {"name": "Streams", "version": "1.0"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("RECEIVER_TOKEN", TOKEN)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RECEIVER_TOKEN", "", "set RECEIVER_TOKEN (what mParticle sends as Authorization"),
        ("RECEIVER_TOKEN", "short", "RECEIVER_TOKEN: each token needs 16 characters or more."),
        ("RECEIVER_TOKEN", f"{TOKEN},short", "RECEIVER_TOKEN: each token needs 16 characters"),
        ("RECEIVER_TOKEN", f"{TOKEN},", "RECEIVER_TOKEN: each token needs 16 characters or more."),
        (
            "RECEIVER_TOKEN",
            f"{TOKEN}\n{TOKEN}",
            "RECEIVER_TOKEN: use tokens of printable characters",
        ),
        ("RECEIVER_TOKEN", "\u200b" * 20, "RECEIVER_TOKEN: use tokens of printable characters"),
        ("RECEIVER_AUTHENTICATION", "basic", "RECEIVER_AUTHENTICATION: Input should be 'token' or"),
        ("RECEIVER_PORT", "0", "RECEIVER_PORT: Input should be greater than or equal to 1."),
        (
            "RECEIVER_PATH",
            "mparticle",
            "RECEIVER_PATH: this is not how it is written (path that mParticle",
        ),
        (
            "RECEIVER_PATH",
            "/{any}",
            "RECEIVER_PATH: this is not how it is written (path that mParticle",
        ),
        ("RECEIVER_TIMEOUT_S", "0", "RECEIVER_TIMEOUT_S: Input should be greater than 0."),
        (
            "RECEIVER_MAX_IN_FLIGHT_BYTES",
            "1000",
            "RECEIVER_MAX_IN_FLIGHT_BYTES: Input should be greater",
        ),
        ("RECEIVER_REGISTRATION", "{", "RECEIVER_REGISTRATION: set it to a JSON object with at"),
        ("RECEIVER_REGISTRATION", "[]", "RECEIVER_REGISTRATION: set it to a JSON object with at"),
        ("RECEIVER_REGISTRATION", '{"name": "n"}', "RECEIVER_REGISTRATION: set it to a JSON obj"),
    ],
)
def test_wrong_setting_is_refused_with_one_sentence(
    environment: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        ReceiverSettings.load()
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)
    assert TOKEN not in str(error.value)


def test_without_a_token_somebody_must_have_said_that_another_decides(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.delenv("RECEIVER_TOKEN")
    environment.setenv("RECEIVER_AUTHENTICATION", "none")
    assert ReceiverSettings.load().tokens == ()


def test_a_file_of_zeros_is_no_token(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a machine that went down may leave it; and no header could carry them."""
    environment.delenv("RECEIVER_TOKEN")
    file = tmp_path / "token"
    file.write_bytes(bytes(32))
    environment.setenv("RECEIVER_TOKEN_FILE", str(file))
    with pytest.raises(SettingsError, match=r"^RECEIVER_TOKEN: use tokens of printable"):
        ReceiverSettings.load()


def test_token_and_registration_come_from_files(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.delenv("RECEIVER_TOKEN")
    for name, text in (("TOKEN", f"{TOKEN}-1,{TOKEN}-2\n"), ("REGISTRATION", orjson.dumps(MODULE))):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        environment.setenv(f"RECEIVER_{name}_FILE", str(file))
    settings = ReceiverSettings.load()
    assert settings.tokens == [f"{TOKEN}-1", f"{TOKEN}-2"]
    assert settings.module == MODULE
    assert TOKEN not in repr(settings)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in ReceiverSettings.model_fields.values())
