"""The simulated Kafka answers as Apache Kafka does: one series of questions, asked of both."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from sandbox.kafka import Kafka
from tests.simulation import kafka as simulated
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network, Weather
from tests.simulation.story import simulated_clocks

_HOUR_MS = 3_600_000
_SESSION_MS = 30_000


async def _name_of_error(asked: Awaitable[object]) -> str | None:
    try:
        await asked
    except KafkaError as error:
        return type(error).__name__
    return None


class Questions:
    """What is asked of a broker, by its address; `topic` has two partitions and is empty."""

    def __init__(self, bootstrap: str, topic: str, now_ms: Callable[[], int]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._now_ms = now_ms
        self._at = TopicPartition(topic, 0)

    async def ask_all(self) -> dict[str, Any]:
        return {
            **await self._ask_of_writing(),
            **await self._ask_of_reading(),
            **await self._ask_of_commits(),
            **await self._ask_of_static_members(),
        }

    async def _ask_of_writing(self) -> dict[str, Any]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            max_request_size=4_000_000,
            max_batch_size=16_384,
        )
        async with producer:
            offsets = [
                (await producer.send_and_wait(self._topic, b"%d" % n, partition=0)).offset
                for n in range(5)
            ]
            ahead = self._now_ms() + 2 * _HOUR_MS
            return {
                "partitions": sorted(await producer.partitions_for(self._topic)),
                "offsets": offsets,
                "a value of 2 MB": await _name_of_error(
                    producer.send_and_wait(self._topic, bytes(2_000_000), partition=0)
                ),
                "a time two hours ahead": await _name_of_error(
                    producer.send_and_wait(self._topic, b"", partition=0, timestamp_ms=ahead)
                ),
            }

    async def _ask_of_reading(self) -> dict[str, Any]:
        empty = TopicPartition(self._topic, 1)
        async with AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="none"
        ) as consumer:
            consumer.assign([self._at, empty])
            consumer.seek(self._at, 2)
            consumer.seek(empty, 0)
            records = (await consumer.getmany(self._at, timeout_ms=5_000))[self._at]
            found = {
                "first": await consumer.beginning_offsets([self._at, empty]),
                "end": await consumer.end_offsets([self._at, empty]),
                "from 2 on": [(record.offset, record.value) for record in records],
                "from a time to come": await consumer.offsets_for_times(
                    {self._at: self._now_ms() + _HOUR_MS}
                ),
            }
            consumer.seek(self._at, 1_000)
            found["beyond the end"] = await _name_of_error(
                consumer.getmany(self._at, timeout_ms=5_000)
            )
        return found

    def _member(self, group: str, instance: str | None = None) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=f"{self._topic}-{group}",
            group_instance_id=instance,
            enable_auto_commit=False,
            session_timeout_ms=_SESSION_MS,
            # No heartbeat comes between the questions.
            heartbeat_interval_ms=9_000,
        )

    async def _ask_of_commits(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with self._member("commits") as alone:
            alone.assign([self._at])
            found["unknown"] = await alone.committed(self._at)
            await alone.commit({self._at: OffsetAndMetadata(3, "as it was")})
            found["committed"] = await alone.committed(self._at)
            found["4,097 bytes of metadata"] = await _name_of_error(
                alone.commit({self._at: OffsetAndMetadata(4, "m" * 4_097)})
            )
            found["after it"] = await alone.committed(self._at)
            async with self._member("commits") as member:
                member.subscribe([self._topic])
                await member.getmany(timeout_ms=1_000)
                found["assigned"] = sorted(member.assignment())
                found["by who is no member"] = await _name_of_error(
                    alone.commit({self._at: OffsetAndMetadata(1, "")})
                )
                await member.commit({self._at: OffsetAndMetadata(5, "")})
        return found

    async def _ask_of_static_members(self) -> dict[str, Any]:
        """Of two that have one name the second is let in, and the first is a stranger by then."""
        async with self._member("static", "twin") as first:
            first.subscribe([self._topic])
            await first.getmany(timeout_ms=1_000)
            before = first._coordinator.member_id
            async with self._member("static", "twin") as second:
                second.subscribe([self._topic])
                await second.getmany(timeout_ms=1_000)
                found = {
                    "takes over": sorted(second.assignment()),
                    "under another id": second._coordinator.member_id != before,
                    "the first commits": await _name_of_error(
                        first.commit({self._at: OffsetAndMetadata(1, "")})
                    ),
                }
        return found


async def _ask_apache(kafka: Kafka, topic: str) -> dict[str, Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    # The broker's default, which this one may not have.
    configs = {"max.message.bytes": "1048588"}
    try:
        await admin.create_topics([NewTopic(topic, 2, 1, topic_configs=configs)])
        while topic not in await admin.list_topics():  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0)
    finally:
        await admin.close()
    return await Questions(kafka.bootstrap, topic, lambda: int(time.time() * 1000)).ask_all()


def _ask_simulated(topic: str) -> dict[str, Any]:
    loop = SimulatedLoop(Random(1))
    broker = simulated.Kafka(loop, Random(1))
    loop.network = Network(loop, Weather(Random(1)), broker.serve)
    broker.create(topic, 2)
    with simulated_clocks(loop):
        questions = Questions(broker.bootstrap, topic, lambda: broker.now_ms)
        try:
            return loop.run_until_complete(questions.ask_all())
        finally:
            loop.close()


async def test_the_simulated_broker_answers_as_apache_kafka_does(kafka: Kafka, prefix: str) -> None:
    topic = f"{prefix}conformance"
    apache = await _ask_apache(kafka, topic)
    told = await asyncio.to_thread(_ask_simulated, topic)
    assert told == apache
    assert apache["a value of 2 MB"] == "MessageSizeTooLargeError"
