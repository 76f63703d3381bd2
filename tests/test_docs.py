"""What README and docs name is there, and what they show is what happens."""

import contextlib
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import settings
from cli.main import main
from streams import metrics
from tests.repository import ROOT

README = ROOT / "README.md"
DOCUMENTS = [
    README,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SHOWN_BY_GRAFANA = [
    file for end in ("json", "yml", "yaml") for file in sorted((ROOT / "grafana").rglob(f"*.{end}"))
]
FOLDERS = "agents|cli|docs|grafana|models|sandbox|streams|tests"

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
# Where people and build machines keep their checkouts.
_ON_ONE_MACHINE = re.compile(rb"(?<![\w.~:-])/(?:home|tmp|Users|work|workspace)/\w")


def _blocks(document: Path, language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(document.read_text()) if name == language]


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text())


def _code(document: Path) -> list[str]:
    """Every piece of code: the spans within sentences, and the lines of blocks."""
    blocks = _FENCE.findall(document.read_text())
    lines = [line for _, body in blocks for line in body.replace("\\\n", " ").splitlines()]
    return re.findall(r"`([^`\n]+)`", _prose(document)) + lines


@cache
def _all_code() -> Sequence[tuple[Path, str]]:
    return [(document, code) for document in DOCUMENTS for code in _code(document)]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _parse(command: click.Command, words: list[str]) -> None:
    """Reads a command line as click would, and runs nothing; raises UsageError."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            raise click.UsageError(f"There is no command {words[0]}.")
        command, words = found, words[1:]
    with contextlib.suppress(click.exceptions.Exit):  # --help and --version
        command.make_context(command.name, words)


def test_links_within_the_repository_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
            path, _, anchor = link.partition("#")
            if "://" in link:
                continue
            target = document.parent / path if path else document
            assert target.exists(), (document, link)
            assert not anchor or anchor in _anchors(target), (document, link)


def test_files_that_are_named_are_there() -> None:
    for document, code in _all_code():
        # sources.md names files of other repositories.
        if document.name == "sources.md":
            continue
        if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*", code):
            assert (ROOT / code).exists(), code


def test_our_commands_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("messages.jsonl", "FILE"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for document, code in _all_code():
        for line in re.findall(r"(?<![\w./-])mparticle-streams ([\w-][^|;&]*)", code):
            try:
                _parse(main, shlex.split(line))
            except click.UsageError as error:
                pytest.fail(f"{document}: {line}: {error.message}")


def test_what_make_is_asked_for_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for _, code in _all_code():
        if command := re.match(r"make ([a-z]+)((?: [A-Z]+=\S*)*)", code):
            assert re.search(rf"^{command[1]}:", makefile, re.MULTILINE), code
            for variable in re.findall(r"([A-Z]+)=", command[2]):
                assert f"$({variable})" in makefile, code


def test_apps_for_faust_are_there() -> None:
    for _, code in _all_code():
        for module in re.findall(r"faust -A (\S+)", code):
            assert importlib.util.find_spec(module), module


def test_settings_are_called_what_they_are_called() -> None:
    for document, code in _all_code():
        assert not _unknown_settings(code), document


@pytest.mark.parametrize("shown", SHOWN_BY_GRAFANA, ids=lambda path: path.name)
def test_boards_and_alerts_call_settings_what_they_are_called(shown: Path) -> None:
    assert not _unknown_settings(shown.read_text())


@cache
def _known_settings() -> frozenset[str]:
    return frozenset(name for name, _, _ in settings.rows())


def _unknown_settings(text: str) -> set[str]:
    known = _known_settings()
    prefixes = "|".join(sorted({name.partition("_")[0] for name in known}))
    named = re.findall(rf"\b(?:{prefixes})_[A-Z_]*[A-Z]\b", text)
    return {name for name in named if not {name, name.removesuffix("_FILE")} & known}


def test_metrics_are_called_what_they_are_called() -> None:
    exposed = metrics.exposition().decode()
    for document in DOCUMENTS:
        for name in re.findall(r"mparticle_streams_\w+", document.read_text()):
            assert f"# HELP {name} " in exposed, (document, name)


def test_the_table_of_settings_is_what_the_command_prints() -> None:
    table = CliRunner().invoke(settings.command, ["--markdown"], catch_exceptions=False).stdout
    page = ROOT / "docs" / "settings.md"
    assert f"\n\n{table}\n" in page.read_text(), "put in: mparticle-streams settings --markdown"


def test_the_example_environment_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = _known_settings()
    (example,) = _blocks(README, "env")
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-some-length\n")
    for line in example.splitlines():
        name, _, value = line.partition("=")
        # A misspelt name would be ignored, and so accepted.
        assert {name, name.removesuffix("_FILE")} & known, name
        monkeypatch.setenv(name, str(secret) if name.endswith("_FILE") else value)
    for group in settings.groups():
        group.load()


def test_no_file_names_a_place_on_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in _files()
        for match in _ON_ONE_MACHINE.finditer(path.read_bytes())
    ]
    assert found == []


def _files() -> Iterator[Path]:
    """All files that git keeps; whatever else lies about, such as `.git` itself, is not ours."""
    if not (ROOT / ".git").exists():  # a folder, and a file in a worktree
        pytest.skip("no git here to say which files are ours")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - wherever git is
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert README in files
    # One that was deleted stays in git's list until that is committed.
    yield from (path for path in files if path.is_file())
