"""A simulated Sailthru, and a Kafka on which workers tell each other of lists."""

from collections.abc import AsyncIterator

import pytest

from agents.sailthru.topics import SAILTHRU_AUDIENCES, SAILTHRU_LISTS
from sandbox.kafka import Kafka
from streams.settings import KafkaSettings
from tests.agents.sailthru.list_workers import PARTITIONS
from tests.agents.sailthru.simulated import Simulated, simulated
from tests.streams.cluster import create, settings


@pytest.fixture
async def sailthru() -> AsyncIterator[Simulated]:
    async with simulated() as running:
        yield running


@pytest.fixture
async def to(kafka: Kafka, prefix: str) -> KafkaSettings:
    found = settings(kafka, prefix, partitions=PARTITIONS)
    await create(found, (SAILTHRU_LISTS, SAILTHRU_AUDIENCES))
    return found
