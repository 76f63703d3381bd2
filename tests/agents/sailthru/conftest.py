"""A simulated Sailthru, and a Kafka on which workers tell each other of lists."""

from collections.abc import AsyncIterator

import pytest

from agents.sailthru.topics import SAILTHRU_AUDIENCES, SAILTHRU_LISTS
from sandbox.kafka import Kafka
from streams.settings import KafkaSettings
from tests.agents.sailthru.list_workers import PARTITIONS
from tests.agents.sailthru.simulated import Simulated, simulated
from tests.streams.cluster import create, settings
from tests.streams.delivery.flow import without_pauses


@pytest.fixture
async def sailthru() -> AsyncIterator[Simulated]:
    async with simulated() as running:
        yield running


@pytest.fixture
async def to(kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Workers do not pause for long there."""
    without_pauses(monkeypatch)
    monkeypatch.setattr("agents.sailthru.list_owner._LOOK_SECONDS", 0.02)
    found = settings(kafka, prefix, partitions=PARTITIONS)
    await create(found, (SAILTHRU_LISTS, SAILTHRU_AUDIENCES))
    return found
