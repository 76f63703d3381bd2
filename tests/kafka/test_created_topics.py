"""The topics that a worker makes where KAFKA_CREATE_TOPICS lets it."""

import pytest

from agents.registry import all_topics
from sandbox.kafka import Kafka
from streams.kafka import clients, topic_admin, topic_plan
from tests.streams.cluster import create, settings

PARTITIONS = 3

pytestmark = pytest.mark.kafka


async def test_a_worker_makes_topics_of_as_many_partitions_as_are_printed_for_a_person(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix, partitions=PARTITIONS)
    await create(cluster)
    async with clients.admin(cluster) as admin:
        made = await topic_admin.existing(admin)
    planned = topic_plan.plan(
        "kafka", all_topics(), partitions=PARTITIONS, replicas=1, retention_days=7
    )
    printed = {cluster.topic(each.topic.name): each.partitions for each in planned}
    assert {name: made[name] for name in printed} == printed
