"""What each worker reads and who takes part in its delivery, written to Kafka and worked off."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.demo.lag import Lag
from cli.demo.run import READS
from streams.kafka.batch_writer import Outgoing
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, RAW, Topic
from tests.cli.messages import custom_event, event_batch
from tests.kafka.outside import RECORDS, Outside, email, event, membership, mpid
from tests.streams.cluster import producing


def raw(number: int) -> Outgoing:
    identity = {"identity_type": "email", "identity": email(number)}
    value = event_batch(custom_event("Read"), mpid=mpid(number), user_identities=[identity])
    return Outgoing(RAW.name, mpid(number).encode(), value, [])


@dataclass(frozen=True)
class Delivery:
    """Whose it is, what it reads, and who takes part in it."""

    worker: str
    topic: Topic
    record: Callable[[int], Outgoing]
    workers: Sequence[str]


ROUTER = Delivery("router", RAW, raw, ("router", "sailthru"))
SAILTHRU = Delivery("sailthru", EVENTS, event, ("sailthru",))
AB_TASTY = Delivery("ab-tasty", AUDIENCE_MEMBERSHIP, membership, ("ab-tasty",))


async def write(
    cluster: KafkaSettings, delivery: Delivery, seconds: Callable[[int], int] | None = None
) -> None:
    """Numbered records, `RECORDS` in each of two partitions, at these times or when written."""
    async with producing(cluster) as producer:
        for number in range(2 * RECORDS):
            topic, key, value, headers = delivery.record(number)
            await producer.send_and_wait(
                cluster.topic(topic),
                value,
                key=key,
                headers=headers,
                partition=number // RECORDS,
                timestamp_ms=seconds and seconds(number) * 1000,
            )


async def work_off(world: Outside, lag: Lag, delivery: Delivery) -> None:
    """Starts the workers, and stops them when nothing is left to do."""
    processes = [world.start(worker) for worker in delivery.workers]
    try:
        async with asyncio.timeout(60):
            for worker in delivery.workers:
                while not (await lag.of(worker, READS[worker])).done:
                    assert not any(process.code for process in processes)
                    await asyncio.sleep(0.1)
    finally:
        codes = await asyncio.gather(*(process.stop() for process in processes))
    assert codes == [0] * len(processes)
