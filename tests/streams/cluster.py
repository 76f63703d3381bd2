"""Topics, records and offsets on the sandbox's Kafka."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata

from agents.registry import all_topics
from sandbox.kafka import Kafka
from streams.engine import startup
from streams.kafka import clients, topic_admin
from streams.settings import KafkaSettings
from streams.topics import Topic

prepare = partial(startup.prepare, patience_s=120.0)
"""What a worker does before it starts, for a broker that answers late: the machine may be busy."""


def settings(kafka: Kafka, prefix: str, *, partitions: int = 2) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap, prefix=prefix, topic_partitions=partitions
    )


async def create(to: KafkaSettings, which: Iterable[Topic] | None = None) -> None:
    """Of all there are, unless told which.

    Returns when the broker tells of them too, which is a moment later.
    """
    topics = list(all_topics() if which is None else which)
    names = {to.topic(topic.name) for topic in topics}
    async with clients.admin(to) as client:
        await topic_admin.create(client, to, topics)
        async with asyncio.timeout(60):
            await topic_admin.wait_until_known(client, names)


async def _partitions(client: AIOKafkaAdminClient, names: Iterable[str]) -> Sequence[int]:
    """How many each topic has; 0 of one that the broker does not know.

    Only these are asked for: the tests' one broker has a thousand topics.
    """
    described = await client.describe_topics(list(names))
    return [len(each["partitions"]) for each in described]


async def configure(to: KafkaSettings, topic: Topic, values: Mapping[str, str]) -> None:
    """Sets a topic's configuration; what is not named goes back to the broker's default."""
    async with clients.admin(to) as client:
        name = to.topic(topic.name)
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=dict(values))
        for answer in await client.alter_configs([resource]):
            assert all(code == 0 for code, *_ in answer.resources), answer
        asked = ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(values))
        async with asyncio.timeout(60):
            while not await _has(client, asked, values):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


async def _has(
    client: AIOKafkaAdminClient, asked: ConfigResource, values: Mapping[str, str]
) -> bool:
    """The broker takes over what the controller was told, a moment later."""
    (answer,) = await client.describe_configs([asked])
    told = {name: value for *_, entries in answer.resources for name, value, *_ in entries}
    return all(told.get(name) == value for name, value in values.items())


async def add_partitions(to: KafkaSettings, topic: Topic, count: int) -> None:
    """Returns when the broker tells of as many."""
    name = to.topic(topic.name)
    async with clients.admin(to) as client:
        await client.create_partitions({name: NewPartitions(count)})
        async with asyncio.timeout(60):
            # No event: nobody but the broker knows, and it has to be asked.
            while await _partitions(client, [name]) != [count]:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)


async def delete_before(to: KafkaSettings, topic: str, offset: int) -> None:
    """Of partition 0, as retention does."""
    async with clients.admin(to) as client:
        await client.delete_records(
            {TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)}
        )


async def keep(to: KafkaSettings, topic: Topic) -> None:
    """Has records stay in a topic whatever times they bear."""
    await configure(to, topic, {"retention.ms": "-1"})


@asynccontextmanager
async def producing(to: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer with the settings of a worker's, as far as they matter here."""
    async with clients.producer(to, max_batch_size=64 * 1024) as producer:
        yield producer


async def write(to: KafkaSettings, topic: Topic, *values: bytes, partition: int = 0) -> None:
    async with producing(to) as producer:
        for value in values:
            await producer.send_and_wait(
                to.topic(topic.name), value, key=b"17", partition=partition
            )


async def read(to: KafkaSettings, topic: Topic, count: int) -> list[ConsumerRecord]:
    """The first records of a topic, each partition's in order."""
    async with clients.consumer(to, to.topic(topic.name)) as consumer:
        return [await anext(consumer) for _ in range(count)]


async def commit(
    to: KafkaSettings, group: str, offsets: Mapping[tuple[str, int], tuple[int, str]]
) -> None:
    """Sets a group's offsets as a person or another program would: (offset, metadata)."""
    at = {TopicPartition(*tp): OffsetAndMetadata(*each) for tp, each in offsets.items()}
    async with clients.consumer(to, group_id=group) as consumer:
        consumer.assign(list(at))
        await consumer.commit(at)


@asynccontextmanager
async def assigned(
    to: KafkaSettings, group: str, partitions: Sequence[tuple[str, int]]
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of a group with partitions of its own choice."""
    async with clients.consumer(to, group_id=group) as consumer:
        consumer.assign([TopicPartition(*tp) for tp in partitions])
        yield consumer
