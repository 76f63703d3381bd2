"""Brokers that make a client wait for its share: it takes longer, and nothing else happens."""

import asyncio
from pathlib import Path

import pytest

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka, command_line
from streams.topics import RAW
from tests.cli.command import SECONDS
from tests.cli.messages import custom_event, event_batch
from tests.kafka.routers import Router, running
from tests.started_workers import series_of
from tests.streams.cluster import commit, create, settings, write

CONFIGS = "kafka.admin.ConfigCommand"
BYTES_A_SECOND = 40_000
QUOTAS = (
    f"producer_byte_rate={BYTES_A_SECOND},consumer_byte_rate={BYTES_A_SECOND},request_percentage=1"
)
LARGE = event_batch(custom_event("Read", text="x" * 10_000))
MESSAGES = 80
WINDOW_SECONDS = 11
"""Apache Kafka's documentation: quota.window.num, quota.window.size.seconds."""


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_throttled_worker_works_on_in_its_group(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """With a watchdog and a session that are shorter than all of the work."""
    cluster = settings(kafka, prefix)
    await create(cluster)
    raw, group = cluster.topic(RAW.name), cluster.group("router")
    await commit(cluster, group, {(raw, number): (0, "") for number in range(2)})
    for partition in range(2):
        await write(cluster, RAW, *[LARGE] * (MESSAGES // 2), partition=partition)
    await limit(kafka, prefix)

    given = {"KAFKA_CLIENT_ID": prefix, "KAFKA_SESSION_TIMEOUT_S": "6"}
    router = Router(cluster, tmp_path / "log", WORKER_STALL_TIMEOUT_S="5", **given)
    began = asyncio.get_running_loop().time()
    async with running(router):
        async with asyncio.timeout(3 * SECONDS), Lag.open(cluster) as lag:
            while not (await lag.of("router", READS["router"])).done:
                assert router.process.code is None, router.said()
                await asyncio.sleep(0.04)
        took = asyncio.get_running_loop().time() - began
        rebalances = series_of(router.url)["rebalances_total"]
        assert await router.process.stop() == 0

    assert rebalances == 1
    # Kafka lets pass what fits into its window, and then makes the client wait.
    within_the_window = BYTES_A_SECOND * WINDOW_SECONDS
    assert took > (MESSAGES * len(LARGE) - within_the_window) / BYTES_A_SECOND / 2


async def limit(kafka: Kafka, client: str) -> None:
    entity = ("--entity-type", "clients", "--entity-name", client)
    words = ("--bootstrap-server", kafka.bootstrap, "--alter", "--add-config", QUOTAS, *entity)
    tool = await asyncio.create_subprocess_exec(*command_line(CONFIGS, *words))
    assert await tool.wait() == 0
