"""That the guards are whole: nothing private of others is used without one."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from mode.services import ServiceTask
from prometheus_client import Counter

import agents
import streams
from tests.streams.engine import private_ground

GUARDS = (Path(private_ground.__file__), Path(__file__).with_name("test_guards.py"))
SOURCES = [path for part in (streams, agents) for path in Path(part.__path__[0]).rglob("*.py")]
OTHERS = ("aiokafka.", "faust.", "mode.")
DOCUMENTED = {"_asdict", "_fields", "_replace", "_exit"}
"""Documented, whatever their first letter says."""
METRICS = {"_labelnames", "_buckets", "_sum", "_upper_bounds"}
"""Guarded below, and those of a histogram by what it shows (tests/streams/test_metrics.py)."""


def test_every_private_name_of_others_that_we_use_has_a_guard() -> None:
    text = "".join(path.read_text() for path in GUARDS)
    guarded = re.findall(r"(?<=[.\"])_[a-z]\w*", text)
    used = set(private_names_of_others())

    assert "_coordinator" in used
    assert used - DOCUMENTED - METRICS <= set(guarded)


def private_names_of_others() -> Iterator[str]:
    """Those of any object but oneself, and one's own that no class of ours brings."""
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    ours = {name for tree in trees for name in names_made(tree)}
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or not re.match("_[a-z]", node.attr):
                continue
            if not is_itself(node.value) or node.attr not in ours:
                yield node.attr


def is_itself(owner: ast.expr) -> bool:
    match owner:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


def names_made(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self")):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def test_every_class_of_ours_that_is_one_of_theirs_has_its_overrides_guarded() -> None:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(streams.__path__, "streams.")
    ]
    derived = {
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__.startswith("streams.")
        and any(base.__module__.startswith(OTHERS) for base in each.__mro__)
    }

    assert derived == {ours for ours, _ in private_ground.OURS}


def test_no_background_task_but_the_known_ones_stands_in_place_of_fausts() -> None:
    replaced = {
        name
        for ours, theirs in private_ground.OURS
        for name, task in vars(ours).items()
        if isinstance(task, ServiceTask) and hasattr(theirs, name)
    }

    assert replaced == set(private_ground.TASKS)


def test_a_metric_tells_its_labels() -> None:
    """For the manual's table of metrics; prometheus_client tells them nowhere else."""
    assert Counter("told", "", ["topic", "reason"], registry=None)._labelnames == (
        "topic",
        "reason",
    )
