"""What tests of rows that are sent again share."""

import pytest

from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from sandbox.kafka import Kafka
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.agents.ab_tasty.refreshing import Days
from tests.streams.cluster import create, settings
from tests.streams.delivery.flow import without_pauses


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Days:
    without_pauses(monkeypatch)
    monkeypatch.setattr("agents.ab_tasty.refresh._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("streams.delivery.resend._LOOK_SECONDS", 0.02)
    return Days()


@pytest.fixture
async def to(kafka: Kafka, prefix: str) -> KafkaSettings:
    found = settings(kafka, prefix, partitions=1)
    await create(found, (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS, AUDIENCE_MEMBERSHIP))
    return found
