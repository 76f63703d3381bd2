"""All reasons for which records end are in one list, and the page of them is made of it."""

import ast
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest

import agents
import models
import streams
from agents import reasons, registry
from agents.reasons import Given

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"
SOURCES = [
    path for part in (streams, agents, models) for path in Path(part.__path__[0]).rglob("*.py")
]
# Whoever is given a reason, and at which place.
DROPPING = {"Dropped": 0, "drop": 0, "end_dropped": 1}
REFUSING = {
    "Rejected": 0,
    "refuse": 0,
    "refuse_part": 1,
    "TooMuchError": 0,
    "UnreadableMessageError": 0,
}
# Those that are put together from two parts, or handed on in a pair.
VERDICTS = ("not_allowed", "denied")
COMPOSED = {f"{what}_{verdict}" for what in ("account", "audience") for verdict in VERDICTS}
OF_ATTRIBUTES = {f"attribute_{verdict}" for verdict in VERDICTS} | {"nothing_to_send"}
OF_STRANGERS = {"alias_request", "other_output"}
OF_VISITORS = {"no_visitor_id"}


def given(calls: dict[str, int]) -> set[str]:
    return set(chain.from_iterable(_given(ast.parse(path.read_text()), calls) for path in SOURCES))


def _given(tree: ast.AST, calls: dict[str, int]) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        place = calls.get(name)
        if place is None or len(node.args) <= place:
            continue
        for each in ast.walk(node.args[place]):
            word = getattr(each, "value", None)
            # One that ends so is the first part of one that is put together.
            if isinstance(word, str) and word.isidentifier() and not word.endswith("_"):
                yield word


def names(of: Sequence[Given]) -> set[str]:
    return {each.name for each in of}


def test_the_list_has_every_reason_for_which_the_code_leaves_something_out() -> None:
    assert names(reasons.drops()) == given(DROPPING) | COMPOSED | OF_ATTRIBUTES | OF_VISITORS


def test_the_list_has_every_reason_that_the_code_gives_a_dead_letter() -> None:
    assert names(reasons.dead_letters()) == given(REFUSING) | OF_STRANGERS | OF_VISITORS


@pytest.mark.parametrize("of", [reasons.drops(), reasons.dead_letters()], ids=["drops", "letters"])
def test_a_reason_stands_once_and_says_of_whom_it_is(of: Sequence[Given]) -> None:
    said = [(each.name, worker) for each in of for worker in each.stages]
    assert len(set(said)) == len(said)
    stages = {"router", *registry.destinations()}
    assert all(each.stages and stages.issuperset(each.stages) for each in of)


def test_the_page_of_the_documentation_is_made_of_the_list() -> None:
    made = reasons.markdown()
    assert PAGE.read_text(encoding="utf-8") == made, "python -m agents.reasons > docs/reasons.md"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refused", None),
        ("refuse", "did you mean refused"),
        ("development_data", "there are alias_request"),
    ],
)
def test_a_reason_that_no_dead_letter_has_is_answered_with_those_there_are(
    name: str, said: str | None
) -> None:
    answer = reasons.unknown(name)
    assert (answer is None) if said is None else (said in str(answer))
