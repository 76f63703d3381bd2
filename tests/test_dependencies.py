"""What the code imports is what pyproject.toml asks for: a library's own library may go any day."""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_OURS = {each.parent.name for each in ROOT.glob("*/__init__.py")}
# The rivals of the benchmarks are in tests/benchmarks/rivals.txt.
_RIVALS = {"confluent-kafka", "confluent_kafka", "quixstreams"}
# Which mode imports when it is told to, in streams/runtime.py.
_BY_NAME = {"uvloop"}


def _declared(*extras: str) -> set[str]:
    optional = _PROJECT["optional-dependencies"]
    asked = [*_PROJECT["dependencies"], *(each for name in extras for each in optional[name])]
    return {canonicalize_name(Requirement(each).name) for each in asked}


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    return packages_distributions()


@cache
def _imported(folder: str) -> frozenset[str]:
    found = _distributions()
    modules = {
        module.partition(".")[0]
        for file in (ROOT / folder).rglob("*.py")
        for module in _modules(ast.parse(file.read_text()))
    }
    foreign = modules - sys.stdlib_module_names - _OURS
    return frozenset(
        canonicalize_name(found[module][0]) if module in found else module for module in foreign
    )


def _modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


@pytest.mark.parametrize("folder", ["agents", "examples", "models", "streams"])
def test_a_worker_needs_what_is_declared_for_all(folder: str) -> None:
    extras = [name for name in _PROJECT["optional-dependencies"] if name not in {"dev", "sandbox"}]
    assert _imported(folder) <= _declared(*extras)


@pytest.mark.parametrize("folder", ["cli", "sandbox"])
def test_the_command_and_the_sandbox_need_one_extra(folder: str) -> None:
    assert _imported(folder) <= _declared("sandbox")


@pytest.mark.parametrize("folder", ["grafana", "tests"])
def test_who_develops_needs_another(folder: str) -> None:
    extras = _PROJECT["optional-dependencies"]
    assert _imported(folder) <= _declared(*extras) | _RIVALS


def test_nothing_is_declared_that_nothing_imports() -> None:
    imported = set().union(*map(_imported, ("agents", "cli", "models", "streams")))
    assert _declared() - imported == _BY_NAME
