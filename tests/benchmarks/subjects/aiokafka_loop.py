"""A plain loop over aiokafka: fetch, map, produce, wait for the brokers, commit."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from agents.router.raw_message import RawMessage
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.benchmarks.meter import Meter
from tests.benchmarks.work import SETTINGS, outputs_together

_AT_ONCE = 2_000


async def main(group: str) -> None:
    kafka = KafkaSettings.load()
    work = Meter.of_this_process().marking_first("work", outputs_together)
    async with (
        AIOKafkaConsumer(
            kafka.topic(RAW.name),
            **kafka.client_options(),
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
        AIOKafkaProducer(
            **kafka.client_options(), enable_idempotence=True, max_batch_size=512 * 1024
        ) as producer,
    ):
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
            raws = [
                RawMessage(source.value, source, source.timestamp, SETTINGS)
                for records in fetched.values()
                for source in records
            ]
            sent = [
                await producer.send(
                    kafka.topic(out.topic),
                    out.value,
                    out.key,
                    timestamp_ms=raw.received_at_ms,
                    headers=out.headers,
                )
                for raw, outs in zip(raws, work(raws), strict=True)
                for out in outs
            ]
            for future in sent:
                await future
            if fetched:
                await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
