"""A bare aiokafka consumer in a group, with a worker's fetch wait."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer

from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.benchmarks.meter import Meter


async def main(group: str) -> None:
    kafka = KafkaSettings.load()
    meter = Meter.of_this_process()
    async with AIOKafkaConsumer(
        kafka.topic(RAW.name),
        **kafka.client_options(),
        group_id=group,
        enable_auto_commit=False,
        fetch_max_wait_ms=500,
    ) as consumer:
        meter.mark("assigned")
        while True:
            await consumer.getmany(timeout_ms=1_000)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
