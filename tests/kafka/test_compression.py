"""What producers and topics may choose to compress with is read; a batch that is broken is told."""

from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW
from tests.cli.messages import custom_event, event_batch
from tests.started_workers import at_kafka, by_command, counted, eventually, get, serving
from tests.streams.cluster import configure, create, read, settings, write

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_raw_messages_are_read_however_their_topic_compresses_them(
    kafka: Kafka, prefix: str, codec: str
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await configure(cluster, RAW, {"compression.type": codec})
    await write(cluster, RAW, event_batch(custom_event("Read"), mpid="17"))

    where = {**at_kafka(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with serving(by_command("router"), where) as (process, url):
        eventually(lambda: counted(url, "records_completed") == 1, process)
        ready, _ = get(f"{url}/ready")
        (event,) = await read(cluster, EVENTS, 1)

    assert ready == HTTPStatus.OK
    assert b'"Read"' in (event.value or b"")
