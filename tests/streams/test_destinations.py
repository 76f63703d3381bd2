"""The plumbing knows no destination: what is of one alone comes with its folder."""

import re
from pathlib import Path

import pytest

from agents import registry

ROOT = Path(__file__).parents[2] / "streams"
# All metrics stand on one page, in the order of the data; two are of one destination's alone.
LET_OFF = {"metrics.py"}
FILES = sorted(file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py"))


def named(text: str) -> set[str]:
    """The destinations that a text names, however they are spelled."""
    letters = re.sub("[^a-z]", "", text.lower())
    return {name for name in registry.destinations() if name.replace("-", "") in letters}


@pytest.mark.parametrize("file", [file for file in FILES if file not in LET_OFF])
def test_plumbing_names_no_destination(file: str) -> None:
    assert not named((ROOT / file).read_text())


@pytest.mark.parametrize("file", sorted(LET_OFF))
def test_who_is_let_off_names_one(file: str) -> None:
    assert named((ROOT / file).read_text())


def test_every_topic_and_every_component_is_there_once() -> None:
    names = [topic.name for topic in registry.all_topics()]
    assert len(set(names)) == len(names)
    kept = {topic for each in registry.destinations().values() for topic in each.keeps}
    assert {topic.name for topic in kept} < set(names)
