"""`settings`: every setting there is, once."""

import re
from io import StringIO

import pytest
from rich.console import Console

from cli.settings import groups, rows, table
from tests.cli.messages import invoke
from tests.repository import ROOT

NAMES = [
    f"{group.model_config.get('env_prefix', '')}{field}".upper()
    for group in groups()
    for field in group.model_fields
]


def test_every_setting_stands_once_with_what_it_means() -> None:
    listed = list(rows())
    assert [name for name, _, _ in listed] == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert all(meaning for _, _, meaning in listed)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        ("KAFKA_INITIAL_OFFSET", ""),
        ("ROUTER_SNAPSHOTS", "changed"),
        ("SAILTHRU_API_SECRET", ""),
        ("SAILTHRU_LIST_NAME_TEMPLATE", "{audience_name}"),
        ("ABTASTY_SEGMENT_NAME_TEMPLATE", "{audience_name}-{audience_id}"),
    ],
)
def test_defaults_are_shown(name: str, default: str) -> None:
    assert {each: shown for each, shown, _ in rows()}[name] == default


def test_in_a_pipe_every_setting_is_one_line() -> None:
    _, *listed = invoke("settings").output.splitlines()
    for line, (name, _, meaning) in zip(listed, rows(), strict=True):
        assert line.split()[0] == name
        assert line.rstrip().endswith(meaning)


@pytest.mark.parametrize("columns", [80, 60])
def test_names_are_shown_whole_however_narrow_the_terminal(columns: int) -> None:
    shown = StringIO()
    Console(file=shown, width=columns).print(table())
    assert set(NAMES) <= set(shown.getvalue().split())


def test_markdown_is_a_table_of_three_columns() -> None:
    head, rule, *listed = invoke("settings", "--markdown").output.splitlines()
    assert (head, rule) == ("| setting | default | meaning |", "|---|---|---|")
    assert [line.split(" | ")[0] for line in listed] == [f"| `{name}`" for name in NAMES]
    assert all(line.count(" | ") == 2 for line in listed)


def test_values_in_the_environment_are_not_shown() -> None:
    shown = invoke("settings", settings={"SAILTHRU_API_SECRET": "not-a-real-secret"}).output
    assert "not-a-real-secret" not in shown


def test_the_example_of_an_environment_is_what_the_command_prints() -> None:
    printed = invoke("settings", "--env").stdout

    assert (ROOT / ".env.example").read_text() == printed, "settings --env > .env.example"


def test_the_example_changes_nothing_and_names_each_setting_once() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert all(line.startswith("#") for line in lines if line)
    names = [line[1:].partition("=")[0] for line in lines if re.match(r"#[A-Z0-9_]+=", line)]
    assert names == [name for name, _, _ in rows()]
