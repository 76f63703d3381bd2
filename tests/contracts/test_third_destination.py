"""A third destination is a folder, and nothing else."""

import sys
from pathlib import Path
from textwrap import dedent

import orjson
import pytest

from tests.cli.command import run

# What `mparticle-streams` does, with one more folder beside those of the destinations.
WITH_FOLDER = """
import sys
import agents
agents.__path__.append(sys.argv.pop(1))
from cli.main import main
main()
"""
FILES = {
    "__init__.py": "",
    "settings.py": """
        from pydantic import Field, SecretStr
        from pydantic_settings import SettingsConfigDict
        from streams.base_settings import Settings

        class PostcardSettings(Settings):
            model_config = SettingsConfigDict(env_prefix="POSTCARD_")
            api_key: SecretStr = Field(description="the key to the letter box")
        """,
    "sink.py": """
        from agents.postcard.settings import PostcardSettings
        from agents.registry import Destination
        from streams.delivery.sink import Batch, Lane, Sink
        from streams.topics import EVENTS

        class PostcardSink(Sink[str]):
            destination = "postcard"
            topics = (EVENTS,)
            ceilings = {"cards": None}
            recalls = ()

            def __init__(self, settings):
                pass

            def place(self, record, at, now_ms):
                return Lane("cards", at.user)

            def take(self, lane, waiting):
                return Batch(waiting[0].name, 1)

            def describe(self, request):
                return {"method": "POST", "url": "http://post.example", "body": request}

            def preparations(self, requests):
                return []

        DESTINATION = Destination("postcard", PostcardSettings, PostcardSink)
        """,
}
MESSAGE = orjson.dumps(
    {
        "mpid": "42",
        "events": [{"event_type": "custom_event", "data": {"event_name": "waved"}}],
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("agents")
    package = parent / "postcard"
    package.mkdir()
    for name, text in FILES.items():
        (package / name).write_text(dedent(text))
    return parent


def with_folder(folder: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", WITH_FOLDER, str(folder))


def test_its_settings_are_listed(folder: Path) -> None:
    listed = run("settings", "--markdown", of=with_folder(folder))
    assert "| `POSTCARD_API_KEY` |  | the key to the letter box |" in listed.stdout
    assert "| `SAILTHRU_API_KEY` |" in listed.stdout


def test_its_worker_may_be_run(folder: Path) -> None:
    assert "postcard" in run("worker", "--help", of=with_folder(folder)).stdout


def test_its_requests_are_explained(folder: Path) -> None:
    explained = run("explain", "--destination", "postcard", of=with_folder(folder), given=MESSAGE)
    assert explained.returncode == 0, explained.stderr
    shown = orjson.loads(explained.stdout)
    assert (shown["body"], len(shown["records"])) == ("waved", 1)


def test_without_its_folder_it_is_unknown() -> None:
    unknown = run("explain", "--destination", "postcard")
    assert unknown.returncode == 2
    assert "'sailthru'" in unknown.stderr
    assert "'ab-tasty'" in unknown.stderr
