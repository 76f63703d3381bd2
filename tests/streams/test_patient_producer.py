"""Producers outlast what brokers do not know for a while."""

from typing import Any

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.kafka.patient_producer import partition_count
from tests.streams.leaders import Cluster


class Producer:
    """Knows of a topic after so many questions, as when brokers have come back."""

    def __init__(self, unknown: int) -> None:
        self.unknown = unknown
        self.client = Cluster({})

    async def partitions_for(self, _topic: str) -> set[int]:
        if self.unknown:
            self.unknown -= 1
            raise UnknownTopicOrPartitionError
        return {0, 1, 2}


@pytest.mark.parametrize("unknown", [0, 1, 3])
async def test_a_topic_that_brokers_do_not_know_yet_is_asked_for_again(
    unknown: int,
) -> None:
    producer: Any = Producer(unknown)

    assert await partition_count(producer, "events", look_s=0.0) == 3
