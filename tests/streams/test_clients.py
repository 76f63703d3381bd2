"""Kafka's clients are made in one place, so that each is started, stopped and told of alike."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from streams.kafka import clients
from streams.settings import KafkaSettings
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
    # These are never started: what is inside them is the subject.
    "tests/streams/engine/test_buffered_records.py",
    "tests/streams/engine/test_guards.py",
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


# A topic that is deleted under them has aiokafka's loops ask again at once.
@pytest.mark.parametrize(
    "made",
    [
        clients.new_consumer,
        clients.new_producer,
        lambda kafka: clients.new_producer(kafka, waits=True),
    ],
    ids=["consumer", "producer", "patient producer"],
)
async def test_whoever_misses_a_topic_pauses_between_its_questions(
    made: Callable[[KafkaSettings], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    async def answered(*_: Any) -> bool:
        return True

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", answered)
    maker = made(KafkaSettings())
    client = getattr(maker, "client", None) or maker._client
    monkeypatch.setattr("streams.kafka.metadata.asyncio.sleep", noted)
    for _ in range(20):
        assert await client._metadata_update(client.cluster, [])
    monkeypatch.undo()
    await maker.stop()
    assert len(pauses) == 20
    assert pauses[0] == 0.0
    assert all(0.1 < each <= 2.0 for each in pauses[10:])
