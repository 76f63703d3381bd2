"""Key and secret that are exchanged while the worker runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from agents.sailthru.client import Client
from agents.sailthru.credentials import Credentials, Pair
from agents.sailthru.errors import SIGNATURE_REFUSED, WRONG_KEY, WRONG_SECRET
from agents.sailthru.settings import SailthruSettings
from streams.http import Http
from streams.outcomes import Delivered
from tests.agents.sailthru.factories import BY_EMAIL
from tests.agents.sailthru.simulated import KEY, SECRET, Simulated, answering, unpaced

ANOTHER = "e0e1e2e3-not-a-real-secret-either"


class Mounted:
    """Key and secret as files, and the settings that name them."""

    def __init__(self, folder: Path) -> None:
        self.key, self.secret = folder / "key", folder / "secret"

    def put(self, file: Path, text: str) -> None:
        """Replaces a file at once, as mounted secrets are."""
        new = file.with_suffix(".new")
        new.write_text(f"{text}\n")
        new.replace(file)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    files = Mounted(tmp_path)
    files.put(files.key, KEY)
    files.put(files.secret, SECRET)
    monkeypatch.setenv("SAILTHRU_API_KEY_FILE", str(files.key))
    monkeypatch.setenv("SAILTHRU_API_SECRET_FILE", str(files.secret))
    return files


def pair(key: str, secret: str) -> Pair:
    return Pair(SecretStr(key), SecretStr(secret))


def test_file_that_changes_is_read_again(mounted: Mounted) -> None:
    credentials = Credentials(SailthruSettings.load())
    assert credentials.present() == pair(KEY, SECRET)
    mounted.put(mounted.secret, ANOTHER)
    assert credentials.present() == pair(KEY, ANOTHER)
    mounted.put(mounted.key, "ffff")
    assert credentials.present() == pair("ffff", ANOTHER)


def test_file_that_changed_before_the_first_look_is_not_missed(mounted: Mounted) -> None:
    settings = SailthruSettings.load()
    mounted.put(mounted.secret, ANOTHER)
    assert Credentials(settings).present() == pair(KEY, ANOTHER)


@pytest.mark.parametrize("state", ["gone", "empty", "not text"])
def test_what_cannot_be_read_leaves_what_there_was_until_it_can(
    mounted: Mounted, state: str
) -> None:
    credentials = Credentials(SailthruSettings.load())
    credentials.present()
    if state == "gone":
        mounted.secret.unlink()
    else:
        mounted.secret.write_bytes(b"" if state == "empty" else b"\xff\xfe")
    assert credentials.present() == pair(KEY, SECRET)
    mounted.put(mounted.secret, ANOTHER)
    assert credentials.present() == pair(KEY, ANOTHER)


def test_value_in_the_environment_goes_before_the_file(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAILTHRU_API_SECRET", "from-the-environment")
    credentials = Credentials(SailthruSettings.load())
    mounted.put(mounted.secret, ANOTHER)
    assert credentials.present() == pair(KEY, "from-the-environment")


def test_neither_logs_nor_repr_show_anything_of_them(mounted: Mounted) -> None:
    credentials = Credentials(SailthruSettings.load())
    with capture_logs() as lines:
        mounted.put(mounted.secret, ANOTHER)
        shown = repr(credentials.present()) + repr(vars(credentials))
    assert [line["event"] for line in lines] == ["credentials_rotated"]
    for hidden in (KEY, SECRET, ANOTHER):
        assert hidden not in shown + repr(lines)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    settings = SailthruSettings.load(base_url=url)
    async with Http.open(settings) as http:
        yield Client(http, settings, unpaced())


async def test_worker_goes_on_with_the_new_secret_when_the_old_one_is_withdrawn(
    mounted: Mounted, sailthru: Simulated
) -> None:
    mounted.put(mounted.secret, "withdrawn")
    async with client(sailthru.url) as calls:
        outcomes = [await calls.post("user", BY_EMAIL) for _ in range(11)]
        assert outcomes[-1] == WRONG_SECRET
        mounted.put(mounted.secret, SECRET)
        assert await calls.post("user", BY_EMAIL) == Delivered()


async def test_worker_that_was_blocked_by_a_wrong_key_goes_on_with_the_right_one(
    mounted: Mounted, sailthru: Simulated
) -> None:
    mounted.put(mounted.key, "ffff")
    async with client(sailthru.url) as calls:
        assert await calls.post("user", BY_EMAIL) == WRONG_KEY
        mounted.put(mounted.key, KEY)
        assert await calls.post("user", BY_EMAIL) == Delivered()


@pytest.mark.parametrize("code", [3, 5])
async def test_refusal_of_what_was_signed_before_the_exchange_does_not_block(
    mounted: Mounted, code: int
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        mounted.put(mounted.key, f"key-{len(asked)}")
        asked.append(code)
        return web.json_response({"error": code}, status=401)

    asked: list[int] = []
    async with answering(refuse) as url, client(url) as calls:
        outcomes = [await calls.post("user", BY_EMAIL) for _ in range(12)]
    assert outcomes == [SIGNATURE_REFUSED] * 12
    assert len(asked) == 12
