"""Raw messages of a producer with transactions: its marks take offsets without being records."""

import pytest
from aiokafka import TopicPartition

from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.settings import KafkaSettings
from streams.topics import EVENTS, RAW
from tests.cli.messages import custom_event, event_batch
from tests.kafka.log import everything
from tests.started_workers import at_kafka, by_command, eventually, get, serving
from tests.streams.cluster import create, settings

pytestmark = pytest.mark.kafka

# A record and the mark of its transaction, twice.
ENDS_AT = 4


async def write_both_ways(to: KafkaSettings, prefix: str) -> None:
    """One message in a transaction that is committed, then one in another that is aborted."""
    async with clients.producer(to, transactional_id=f"{prefix}mparticle") as producer:
        for name in ("Kept", "Aborted"):
            await producer.begin_transaction()
            await producer.send_and_wait(
                to.topic(RAW.name), event_batch(custom_event(name), mpid="17")
            )
            if name == "Kept":
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()


def watermark(url: str) -> str:
    _, page = get(f"{url}/metrics")
    lines = page.decode().splitlines()
    return next((each for each in lines if "_committable_offset{" in each), "")


async def committed(to: KafkaSettings) -> int | None:
    async with clients.consumer(to, group_id=to.group("router")) as consumer:
        offset: int | None = await consumer.committed(TopicPartition(to.topic(RAW.name), 0))
        return offset


@pytest.mark.parametrize(
    ("isolation", "names"),
    [("read_committed", {b"Kept"}), ("read_uncommitted", {b"Kept", b"Aborted"})],
)
async def test_what_was_aborted_is_routed_only_where_a_setting_says_so(
    kafka: Kafka, prefix: str, isolation: str, names: set[bytes]
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write_both_ways(cluster, prefix)
    where = {
        **at_kafka(kafka, prefix),
        "KAFKA_INITIAL_OFFSET": "earliest",
        "KAFKA_ISOLATION_LEVEL": isolation,
    }
    with serving(by_command("router"), where) as (process, url):
        eventually(lambda: f"}} {ENDS_AT}.0" in watermark(url), process)
        process.terminate()
        process.wait(60)
    values = b"".join(each.value or b"" for each in await everything(cluster, EVENTS))

    assert {name for name in (b"Kept", b"Aborted") if name in values} == names
    # The mark of the last transaction is passed too: lag and whoever waits for the end see none.
    assert await committed(cluster) == ENDS_AT
