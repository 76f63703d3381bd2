"""The router's part in "updates first": nothing else is written before Kafka has the updates."""

import asyncio
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW, USER_UPDATE
from tests.cli.messages import attribute, custom_event, event_batch
from tests.kafka.leaks.program import started
from tests.kafka.log import everything
from tests.streams.cluster import configure, create, read, settings, write


@pytest.mark.kafka
async def test_an_event_is_not_written_whose_update_could_not_be(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write(cluster, RAW, event_batch(custom_event("Began")))
    with started("cli worker router", cluster, tmp_path) as program:
        await read(cluster, EVENTS, 1)
        # The worker has asked before what the topic takes, and it took more.
        await configure(cluster, USER_UPDATE, {"max.message.bytes": "5000"})
        large = attribute("likes", "x" * 9_000)
        await write(cluster, RAW, event_batch(custom_event("Read"), large))
        code = await asyncio.to_thread(program.process.wait, 40)

    assert code != 0
    assert len(await everything(cluster, EVENTS)) == 1
    assert "MessageSizeTooLarge" in program.logged()
