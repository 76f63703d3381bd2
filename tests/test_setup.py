"""What is compiled on demand; what it then does, `make compiled` holds to the source."""

import runpy
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.repository import ROOT


class _Asked(NamedTuple):
    """What setup.py asks of the builder, and what it would compile."""

    of_builder: dict[str, Any]
    modules: list[str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> _Asked:
    of_builder: dict[str, Any] = {}
    builder = SimpleNamespace(setup=of_builder.update, Extension=object)
    monkeypatch.setitem(sys.modules, "setuptools", builder)
    monkeypatch.delenv("MPARTICLE_STREAMS_COMPILE", raising=False)
    names = runpy.run_path(str(ROOT / "setup.py"))
    return _Asked(of_builder, names["_MAPPING"])


def test_nothing_is_compiled_that_nobody_asked_for(asked: _Asked) -> None:
    assert asked.of_builder == {"ext_modules": []}


def test_each_module_that_is_compiled_is_there_once(asked: _Asked) -> None:
    modules = asked.modules
    assert len(set(modules)) == len(modules)
    assert [each for each in modules if not (ROOT / each).is_file()] == []
