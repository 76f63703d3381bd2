"""What tests of rows that are sent again share."""

import pytest

from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from sandbox.kafka import Kafka
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.refreshing import Days
from tests.streams.cluster import create, settings


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
async def to(kafka: Kafka, prefix: str) -> KafkaSettings:
    found = settings(kafka, prefix, partitions=1)
    await create(found, (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS, AUDIENCE_MEMBERSHIP))
    return found
