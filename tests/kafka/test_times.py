"""A raw message's time is data: whatever it says, what the router makes of it is written now."""

import time
from datetime import timedelta

import orjson
import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW
from tests.started_workers import at_kafka, by_command, counted, eventually, serving
from tests.streams.cluster import configure, create, producing, read, settings

AGES = {
    "just come": timedelta(),
    "older than a week, as in a replay": timedelta(days=8),
    "of a producer whose clock is two hours ahead": timedelta(hours=-2),
}


def batch(mpid: int, name: str) -> bytes:
    event = {"event_type": "custom_event", "data": {"event_name": name, "event_id": mpid}}
    return orjson.dumps({"mpid": mpid, "environment": "production", "events": [event]})


@pytest.mark.kafka
async def test_records_bear_the_time_of_their_writing_and_carry_their_messages(
    kafka: Kafka, prefix: str
) -> None:
    """Retention, the time index and the broker's check of times all look at the former."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    forever = str(2**63 - 1)
    await configure(cluster, RAW, {"message.timestamp.after.max.ms": forever, "retention.ms": "-1"})
    began_ms = int(time.time() * 1000)
    stamps = {name: began_ms - age // timedelta(milliseconds=1) for name, age in AGES.items()}
    async with producing(cluster) as producer:
        for number, (name, at_ms) in enumerate(stamps.items(), start=1):
            await producer.send_and_wait(
                cluster.topic(RAW.name), batch(number, name), timestamp_ms=at_ms
            )

    where = {**at_kafka(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with serving(by_command("router"), where) as (process, url):
        eventually(lambda: counted(url, "records_completed") == len(stamps), process)
        records = await read(cluster, EVENTS, len(stamps))
        now_ms = int(time.time() * 1000)

    assert all(began_ms <= each.timestamp <= now_ms for each in records)
    values = [orjson.loads(each.value or b"") for each in records]
    assert {each["name"]: each["received_at_ms"] for each in values} == stamps
