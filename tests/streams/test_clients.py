"""Kafka's clients are made in one place, so that each is started, stopped and told of alike."""

import ast
from collections.abc import Iterator

import pytest

from tests.repository import ROOT

MAKER = "streams/kafka/clients.py"
MADE = {"AIOKafkaAdminClient", "AIOKafkaConsumer", "AIOKafkaProducer"}
# Each is a program beside the product, or shows what the library does without it.
OTHERS = (
    "sandbox/",
    "tests/benchmarks/subjects/",
    "tests/chaos/",
    "tests/sandbox/",
    "tests/simulation/test_conformance.py",
)


def makers() -> Iterator[str]:
    """The files that make a client of Kafka by themselves."""
    for folder in ("agents", "cli", "models", "sandbox", "streams", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text()
            if any(name in text for name in MADE) and any(map(_makes, ast.walk(ast.parse(text)))):
                yield file.relative_to(ROOT).as_posix()


def _makes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in MADE


@pytest.fixture(scope="module")
def found() -> list[str]:
    return list(makers())


def test_every_client_of_kafka_is_made_in_one_module(found: list[str]) -> None:
    assert [file for file in found if not file.startswith(OTHERS)] == [MAKER]


@pytest.mark.parametrize("other", OTHERS)
def test_who_is_let_off_makes_one(other: str, found: list[str]) -> None:
    assert any(file.startswith(other) for file in found)
