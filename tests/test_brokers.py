"""Processes of one run share its brokers."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.kafka import BrokerError, Kafka
from tests import brokers
from tests.streams.cluster import create, settings


class Starts:
    """Stands in for brokers, and counts how many begin and end."""

    def __init__(self, why_not: str = "") -> None:
        self.begun = self.ended = 0
        self._why_not = why_not

    @asynccontextmanager
    async def __call__(self, directory: Path) -> AsyncIterator[Kafka]:
        self.begun += 1
        await asyncio.sleep(0)
        if self._why_not:
            raise BrokerError(self._why_not)
        yield Kafka(directory, port=20_000 + self.begun)
        self.ended += 1


@contextmanager
def a_run() -> Iterator[Any]:
    """Yields what pytest-xdist gives each process of a run."""
    shared = brokers.Brokers()
    try:
        yield SimpleNamespace(workerinput={"brokers": shared.address})
    finally:
        shared.end()


async def ask(run: Any, kind: brokers.Kind, directory: Path) -> str:
    async with brokers.running(kind, run, directory) as broker:
        return str(broker.bootstrap)


async def test_all_processes_of_a_run_are_told_of_one_broker_of_a_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain, secured = Starts(), Starts()
    monkeypatch.setattr(brokers, "STARTED", {"plain": plain, "secured": secured})
    with a_run() as run:
        told = await asyncio.gather(*(ask(run, "plain", tmp_path) for _ in range(3)))
        assert (len(set(told)), plain.begun, secured.begun) == (1, 1, 0)
        await ask(run, "secured", tmp_path)
        assert (plain.begun, secured.begun, plain.ended) == (1, 1, 0)
    assert (plain.ended, secured.ended) == (1, 1)


async def test_why_there_is_no_broker_is_told_to_each_that_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    starts = Starts("There is no Java.")
    monkeypatch.setattr(brokers, "STARTED", {"plain": starts})
    with a_run() as run:
        for _ in range(2):
            with pytest.raises(BrokerError, match=r"^There is no Java\.$"):
                await ask(run, "plain", tmp_path)
    assert starts.begun == 1


@pytest.mark.kafka
async def test_who_is_told_of_a_broker_cannot_end_it(kafka: Kafka, prefix: str) -> None:
    told = pickle.loads(pickle.dumps(kafka))  # noqa: S301 - our own
    await told.kill()
    await told.stop()
    assert (told.bootstrap, told.directory) == (kafka.bootstrap, kafka.directory)
    await create(settings(told, prefix))
