"""The command itself: what it has, and how fast it says so."""

from importlib import import_module
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from tests.cli.command import COMMAND, run

COMMANDS = main.list_commands(click.Context(main))


def test_version_is_that_of_the_installed_project() -> None:
    said = run("--version")
    assert said.stdout == f"mparticle-streams, version {version('mparticle-streams')}\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_none_of_the_libraries(option: str) -> None:
    python, *module = COMMAND
    said = run(option, of=(python, "-X", "importtime", *module))
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()
    }
    assert "click" in loaded
    assert not loaded & {"faust", "aiokafka", "aiohttp", "pydantic", "rich", "streams", "agents"}


def test_help_names_every_command_with_what_it_does() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    for name in COMMANDS:
        short_help = import_module(f"cli.{name.replace('-', '_')}").command.short_help
        assert f"{name} " in shown
        assert short_help in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"Usage: main {name} ")


def test_unknown_command_is_an_error() -> None:
    result = CliRunner().invoke(main, ["deliver"])
    assert result.exit_code == 2
    assert "No such command 'deliver'" in result.output


def test_unknown_worker_is_an_error_that_names_those_there_are() -> None:
    result = CliRunner().invoke(main, ["worker", "braze"])
    assert result.exit_code == 2
    for name in ("router", "sailthru", "ab-tasty"):
        assert f"'{name}'" in result.output
