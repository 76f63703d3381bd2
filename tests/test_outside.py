"""Tests hang on the outside: what is private to us they neither read nor set nor import.

Nor on each other: what they share is a module of its own, with a name that says what it is.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.repository import ROOT

PRODUCT = ("agents", "cli", "examples", "models", "sandbox", "streams")
PRIVATE = re.compile(r"_[a-zA-Z]\w*")
OURS = re.compile(rf"(?:{'|'.join(PRODUCT)}|tests)(?:\.\w+)*\.(_[a-zA-Z]\w*)(?:\.\w+)*")
BY_NAME = {"setattr", "getattr", "delattr", "object"}
"""Functions whose second argument is a name; `object` is that of `mock.patch`."""
DOCUMENTED = {"_replace"}
"""Documented of every named tuple, whatever its first letter says."""

READING = "models/mparticle/test_reading.py"
GUARDS = {"tests/streams/engine/private_ground.py", "tests/streams/engine/test_guards.py"}
"""Private names are their subject: that those of others on which we stand are there."""

# What is called so is another's, though something of ours is called the same; or cannot be asked
# for in another way, and why.
AIOKAFKA = "aiokafka's consumer, producer or client, where it has no other way to be asked"
FAUST = "Faust's own: our consumer and its thread are made of its classes"
EXCEPTIONS: dict[str, tuple[str, set[str]]] = {
    "_batches": (AIOKAFKA, {"agents/receiver/test_receiver.py"}),
    "_build": (AIOKAFKA, {"fuzz/sinkhole.py"}),
    "_client": (
        AIOKAFKA,
        {
            "kafka/acls.py",
            "kafka/test_kills.py",
            "streams/engine/test_buffered_records.py",
            "streams/test_clients.py",
        },
    ),
    "_coordinator": (
        AIOKAFKA,
        {
            "agents/sailthru/fill_world.py",
            "benchmarks/members.py",
            "kafka/leaks/faults.py",
            "kafka/leaks/program.py",
            "kafka/test_kills.py",
            "kafka/test_moved_offsets.py",
            "simulation/test_conformance.py",
        },
    ),
    "_metadata_update": (AIOKAFKA, {"streams/test_clients.py"}),
    "_records": (AIOKAFKA, {"streams/engine/test_buffered_records.py"}),
    "_subscription": (
        AIOKAFKA,
        {"kafka/leaks/faults.py", "streams/engine/test_buffered_records.py"},
    ),
    "_writer": (AIOKAFKA, {"streams/test_logins.py"}),
    "_commit_handler": (FAUST, {"streams/engine/test_consumer.py"}),
    "_consumer": (FAUST, {"kafka/leaks/faults.py", "streams/engine/unstarted.py"}),
    "_thread": (FAUST, {"kafka/leaks/faults.py", "streams/engine/unstarted.py"}),
    "_serve": ("mode's thread, which the simulation runs in its own", {"simulation/worker.py"}),
    "_buffer": (
        "aiohttp's: how much it holds of a body that nobody reads",
        {"streams/test_door.py"},
    ),
    "_name": ("prometheus_client's: a metric tells it nowhere else", {"grafana/boards.py"}),
    "_type": ("prometheus_client's, as its name", {"grafana/boards.py"}),
    "_BY_TYPE": (
        "the router's table, each of whose types needs a case",
        {"agents/router/test_cases.py"},
    ),
    "_DROPPED": ("the router's table, as above", {"agents/router/test_cases.py"}),
    "_HANDLERS": ("a mistake in a handler can only be made", {"agents/router/test_bad_input.py"}),
    "_MESSAGES": ("a mistake in a stage can only be made", {"agents/router/test_bad_input.py"}),
    "_unknown": (
        "the router's shape of events that it does not know",
        {"agents/router/test_event_contents.py"},
    ),
    "_reader": (
        "which of two ways an event is read shows in nothing but time",
        {"agents/router/test_event_contents.py"},
    ),
    "_nested": ("how a field is spelled, which whoever reads it by hand must know", {READING}),
    "_spellings": ("as above", {READING}),
    "_fields": ("whether a field is read the fast way shows in nothing but time", {READING}),
    "_functions": ("how many shapes are remembered shows in nothing but memory", {READING}),
    "_MOST_FUNCTIONS": ("as above", {READING}),
}


def private_names_made(tree: ast.AST) -> Iterator[str]:
    """Those that a module of ours brings: its own, its classes' and their objects'."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self"))
                | ast.Name(id=name, ctx=ast.Store())
            ) if PRIVATE.fullmatch(name):
                yield name


def private_names_reached_for(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines, and what they want of something that is not themselves."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=owner) if PRIVATE.fullmatch(name):
                if not _is_itself(owner):
                    yield node.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, each.name) for each in names if each.name[0] == "_")
            case ast.Constant(value=str(text)) if found := OURS.fullmatch(text):
                yield node.lineno, found[1]
            case ast.Call(
                func=ast.Attribute(attr=name) | ast.Name(id=name),
                args=[_, ast.Constant(value=str(text)), *_],
            ) if name in BY_NAME and PRIVATE.fullmatch(text):
                yield node.lineno, text


def _is_itself(owner: ast.expr) -> bool:
    match owner:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


@cache
def trees(*folders: str) -> Mapping[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def found() -> Iterator[tuple[str, int, str]]:
    """File, line and name of all that is reached for."""
    tests = trees("tests")
    made = {path: set(private_names_made(tree)) for path, tree in tests.items()}
    of_product = map(private_names_made, trees(*PRODUCT).values())
    ours = set().union(*of_product, *made.values()) - DOCUMENTED
    for path, tree in tests.items():
        for line, name in private_names_reached_for(tree):
            if path not in GUARDS and name in ours and name not in made[path]:
                yield path, line, name


def test_no_test_reaches_for_what_is_private_to_us() -> None:
    excepted = {f"tests/{path}": set[str]() for _, paths in EXCEPTIONS.values() for path in paths}
    for name, (_, paths) in EXCEPTIONS.items():
        for path in paths:
            excepted[f"tests/{path}"].add(name)
    reached = list(found())

    assert [each for each in reached if each[2] not in excepted.get(each[0], ())] == []
    unused = {(path, name) for path, names in excepted.items() for name in names}
    assert unused - {(path, name) for path, _, name in reached} == set()


@pytest.mark.parametrize(
    "line",
    [
        "worker._late",
        "worker._late[0] = 1",
        "del worker.door._late",
        "from streams.door import _late",
        'patch.setattr("streams.door._late", 0.0)',
        'LATE = "streams.door.Door._late"',
        'patch.setattr(door, "_late", 0.0)',
        'getattr(door, "_late")',
        'mock.patch.object(door, "_late", new)',
        "super().worker._late",
    ],
)
def test_a_line_that_reaches_for_it_is_found(line: str) -> None:
    assert list(private_names_reached_for(ast.parse(line))) == [(1, "_late")]


@pytest.mark.parametrize(
    "line",
    [
        "self._late",
        "super()._late()",
        "worker.late",
        "worker.__class__",
        '"aiokafka.conn._late"',
        "_late",
    ],
)
def test_what_is_ones_own_or_anothers_is_nobodys_business(line: str) -> None:
    assert list(private_names_reached_for(ast.parse(line))) == []


def modules_of_tests_imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines, and the modules of tests, or the tests themselves, that they import."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                wanted = [each.name for each in names]
            case ast.ImportFrom(module=module, level=level, names=names):
                whole = f"{'tests.' if level else ''}{module or ''}"
                wanted = [f"{whole}.{each.name}" for each in names]
            case _:
                continue
        for name in wanted:
            parts = name.split(".")
            if parts[0] == "tests" and any(each.startswith("test_") for each in parts):
                yield node.lineno, name


def test_what_tests_share_is_a_module_of_its_own() -> None:
    assert [
        (path, *each)
        for path, tree in trees("tests").items()
        for each in modules_of_tests_imported(tree)
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "import tests.streams.test_door",
        "import tests.streams.test_door as door",
        "from tests.streams import test_door",
        "from tests.streams.test_door import Door",
        "from tests.streams.test_door import Door as Another",
        "from tests.streams.door import test_it_opens",
        "from . import test_door",
        "from .test_door import Door",
        "def test_it() -> None:\n    from tests.streams.test_door import Door",
    ],
)
def test_a_line_that_imports_from_another_test_is_found(line: str) -> None:
    assert len(list(modules_of_tests_imported(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line", ["from aiohttp.test_utils import TestClient", "from tests.streams.door import Door"]
)
def test_a_module_that_holds_no_tests_is_for_all(line: str) -> None:
    assert list(modules_of_tests_imported(ast.parse(line))) == []
