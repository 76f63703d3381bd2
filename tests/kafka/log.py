"""What is in a topic by now."""

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.kafka import clients, ranges
from streams.settings import KafkaSettings
from streams.topics import Topic


async def everything(to: KafkaSettings, topic: Topic) -> list[ConsumerRecord]:
    """From the first record of each partition to its end at this moment."""
    name = to.topic(topic.name)
    every = [TopicPartition(name, number) for number in range(to.topic_partitions)]
    async with clients.range_consumer(to) as consumer:
        read = ranges.read(to, consumer, await ranges.whole(consumer, every))
        return [record async for _, records in read for record in records]
