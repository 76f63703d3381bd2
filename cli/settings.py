"""`settings`: every setting there is."""

import sys
import textwrap
from collections.abc import Iterator

import click
from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.table import Column, Table

from agents import registry
from agents.receiver.settings import ReceiverSettings
from agents.router.settings import RouterSettings
from cli import outputs
from streams.base_settings import Settings
from streams.oauth import OauthSettings
from streams.settings import KafkaSettings, WorkerSettings

_WIDE = 400
_LINE = 100


@click.command("settings", short_help="List every setting with its default and meaning.")
@click.option("--markdown", is_flag=True, help="As the table of docs/settings.md.")
@click.option("--env", is_flag=True, help="As a file of variables to fill in: .env.example.")
def command(markdown: bool, env: bool) -> None:
    """Lists every setting: an environment variable, its default, and what it means.

    Each can also be given as NAME_FILE, the path of a file that holds the value.
    """
    if markdown:
        outputs.say("| setting | default | meaning |", "|---|---|---|")
        for name, default, meaning in rows():
            outputs.say(f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |")
        return
    if env:
        outputs.say(*example())
        return
    # In a pipe a setting is one line, to be searched.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table())


def example() -> Iterator[str]:
    """Every setting with its meaning, commented out: to take the file as it is changes none."""
    yield "# Every setting with its default. Uncomment what you change; give secrets as NAME_FILE."
    yield "# Made by: mparticle-streams settings --env > .env.example"
    for name, default, meaning in rows():
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(meaning, _LINE, break_on_hyphens=False))
        yield f"#{name}={default}"


def table() -> Table:
    """All rows; names are never cut."""
    name = Column("setting", min_width=max(len(name) for name, _, _ in rows()))
    out = Table(name, "default", "meaning", box=None, pad_edge=False)
    for row in rows():
        out.add_row(*row)
    return out


def groups() -> list[type[Settings]]:
    """The groups of settings, in data-path order."""
    sinks = [destination.settings for destination in registry.destinations().values()]
    return [KafkaSettings, OauthSettings, WorkerSettings, ReceiverSettings, RouterSettings, *sinks]


def rows() -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every setting."""
    for group in groups():
        prefix = group.model_config.get("env_prefix", "")
        for name, field in group.model_fields.items():
            default = "" if field.default in (None, PydanticUndefined) else str(field.default)
            yield f"{prefix}{name}".upper(), default, field.description or ""
