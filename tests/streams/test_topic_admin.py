"""What is said of topics while a broker has not heard of all of them."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka import topic_admin


class Behind:
    """A broker that learns of what the controller made one topic after the other."""

    def __init__(self, *told: dict[str, int]) -> None:
        self._told: Iterator[dict[str, int]] = iter(told)
        self.asked = 0

    async def describe_topics(self, names: Sequence[str]) -> list[dict[str, Any]]:
        self.asked += 1
        partitions = next(self._told)
        return [{"topic": name, "partitions": [{}] * partitions.get(name, 0)} for name in names]


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ([{"events": 2, "users": 2}], 1),
        ([{}, {"events": 2}, {"events": 2, "users": 2}], 3),
        ([{"users": 2}, {"events": 2, "users": 2}], 2),
    ],
    ids=["at once", "one after the other", "the last first"],
)
async def test_topics_are_known_when_the_broker_tells_of_all_of_them(
    told: list[dict[str, int]], asked: int
) -> None:
    broker = Behind(*told)

    await topic_admin.wait_until_known(cast("AIOKafkaAdminClient", broker), ["events", "users"])

    assert broker.asked == asked
