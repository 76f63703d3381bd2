"""The router's part in "updates first": nothing else is written before Kafka has the updates."""

import asyncio
from pathlib import Path

import pytest

from sandbox.kafka import Kafka
from streams.topics import EVENTS, RAW, USER_UPDATE
from tests.cli.messages import attribute, custom_event, event_batch
from tests.kafka.leaks.program import started
from tests.kafka.log import everything
from tests.kafka.test_leaks import limit_messages
from tests.streams.cluster import create, settings, write


@pytest.mark.kafka
async def test_an_event_is_not_written_whose_update_could_not_be(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await limit_messages(cluster, USER_UPDATE, 5_000)
    await write(cluster, RAW, event_batch(custom_event("Read"), attribute("likes", "x" * 9_000)))
    with started("cli worker router", cluster, tmp_path) as program:
        code = await asyncio.to_thread(program._process.wait, 40)

    assert code != 0
    assert await everything(cluster, EVENTS) == []
    assert "MessageSizeTooLarge" in program.said()
