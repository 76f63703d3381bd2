"""What producers and topics may choose to compress with is read; a batch that is broken is told."""

from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW
from tests.agents.test_workers import _eventually, _get, _started, _where, by_command
from tests.cli.messages import custom_event, event_batch
from tests.kafka.test_deleted import counted
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

    where = {**_where(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with _started(by_command("router"), where) as (process, url):
        _eventually(lambda: counted(url, "records_completed") == 1, process)
        ready, _ = _get(f"{url}/ready")
        (event,) = await read(cluster, EVENTS, 1)

    assert ready == HTTPStatus.OK
    assert b'"Read"' in (event.value or b"")
