"""What workers and tests have a broker do, a little of each, so that Java has loaded all of it."""

from contextlib import AsyncExitStack
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

VERSION: Final = "1"
"""To be another one when this does something else: what was loaded before it is loaded anew."""
_NAME = "exercise"
_RECORDS = 100


async def exercise(bootstrap: str) -> None:
    """Makes a topic, writes as one who may repeat themselves, and reads and commits in a group."""
    async with AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        stack.push_async_callback(admin.close)
        await admin.start()
        await admin.create_topics([NewTopic(_NAME, num_partitions=2, replication_factor=1)])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
        await stack.enter_async_context(producer)
        for _ in range(_RECORDS):
            await producer.send_and_wait(_NAME, b"{}", key=b"1")
        consumer = AIOKafkaConsumer(
            _NAME,
            bootstrap_servers=bootstrap,
            group_id=_NAME,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await stack.enter_async_context(consumer)
        for _ in range(_RECORDS):
            await consumer.getone()
        await consumer.commit()
        await admin.list_consumer_group_offsets(_NAME)
