"""What README.md shows is what the command prints."""

import re
from pathlib import Path

import click
import orjson
import pytest

from cli.main import main
from tests.cli.messages import invoke, lines

README = (Path(__file__).parents[2] / "README.md").read_text()
[MESSAGES] = re.findall(r"in `messages\.jsonl`:\n\n```json\n(.*?)```", README, re.DOTALL)
EXAMPLES = re.findall(
    r"^\$ mparticle-streams ((?:route|explain) .*)\n((?:\{.*\n)+)", README, re.MULTILINE
)


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example_is_what_the_command_prints(command: str, shown: str) -> None:
    arguments = command.replace("messages.jsonl", "-").split()
    printed = lines(invoke(*arguments, given=MESSAGES.encode()))
    for line in printed:
        if "record" in line:
            line["record"]["received_at_ms"] = 1_790_000_000_000
    assert printed == [orjson.loads(line) for line in shown.splitlines()]


def test_route_and_explain_of_each_destination_are_shown() -> None:
    assert [command.split()[0] for command, _ in EXAMPLES] == ["route", "explain", "explain"]


def test_the_table_of_commands_names_each() -> None:
    [table] = re.findall(r"\| `mparticle-streams` \|.*?\n\n", README, re.DOTALL)
    rows = [row.split("|")[1] for row in table.split("\n") if row]
    named = {each.split()[0] for row in rows for each in re.findall(r"`([^`]+)`", row)}
    assert named >= set(main.list_commands(click.Context(main)))
