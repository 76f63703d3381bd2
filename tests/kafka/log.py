"""What is in a topic by now."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.settings import KafkaSettings
from streams.topics import Topic


async def everything(to: KafkaSettings, topic: Topic) -> list[ConsumerRecord]:
    """From the first record of each partition to its end at this moment."""
    name = to.topic(topic.name)
    found: list[ConsumerRecord] = []
    async with AIOKafkaConsumer(**to.client_options(), auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(name, number) for number in range(to.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
    return found
