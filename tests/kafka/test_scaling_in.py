"""A replica with a name of its own that stops for good leaves its partitions to the others."""

import asyncio
import signal
from collections.abc import Sequence

import pytest

from cli.demo.lag import Lag
from cli.demo.run import READS
from sandbox.kafka import Kafka
from streams.kafka.static_members import members
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.cli.command import SECONDS, run_on
from tests.started_workers import at_kafka, by_command, partitions_of, series_of, serving
from tests.streams.cluster import create, settings, write

PARTITIONS = 3
# Nobody's is over within this test.
SESSION = {"KAFKA_SESSION_TIMEOUT_S": "60"}


@pytest.mark.kafka
@pytest.mark.timeout(400)
async def test_its_partitions_do_not_wait_for_the_end_of_its_session(
    kafka: Kafka, prefix: str
) -> None:
    """Put out of its group by a person, or told beforehand that it leaves when it stops."""
    cluster = settings(kafka, prefix, partitions=PARTITIONS)
    group = cluster.group("router")
    await create(cluster)
    where = {**at_kafka(kafka, prefix), **SESSION}
    names = {
        name: {**where, "KAFKA_GROUP_INSTANCE_ID": name} for name in ("goes", "leaves", "stays")
    }
    names["leaves"]["KAFKA_LEAVE_GROUP_ON_STOP"] = "true"
    router = by_command("router")
    with (
        serving(router, names["stays"]) as (_, url),
        serving(router, names["goes"]) as (goes, second),
        serving(router, names["leaves"]) as (leaves, third),
    ):
        await _hold(url, second, third)
        begun = series_of(url)["rebalances_total"]

        goes.send_signal(signal.SIGTERM)
        assert goes.wait(SECONDS) == 0
        assert await _names(cluster, group) == ["goes", "leaves", "stays"]
        put_out = await run_on(cluster, "leave", "router", "goes", "nobody")
        shown = await run_on(cluster, "leave", "router")
        await _hold(url, third)

        leaves.send_signal(signal.SIGTERM)
        assert leaves.wait(SECONDS) == 0
        assert await _names(cluster, group) == ["stays"]
        for partition in range(PARTITIONS):
            await write(cluster, RAW, b"{", partition=partition)
        async with asyncio.timeout(3 * SECONDS), Lag.open(cluster) as lag:
            while not (await lag.of("router", READS["router"])).done:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.04)

        # Each departure is one rebalance.
        assert series_of(url)["rebalances_total"] - begun == 2
    assert put_out.returncode == 1
    assert put_out.stdout.splitlines() == [
        f"goes is out of the group {group}.",
        f"nobody is not in the group {group}.",
    ]
    there = [line.split()[0] for line in shown.stdout.splitlines()]
    assert there == ["instance", "leaves", "stays"]


async def _names(cluster: KafkaSettings, group: str) -> Sequence[str | None]:
    return [each.instance for each in await members(cluster, group)]


async def _hold(*urls: str) -> None:
    """Waits until these workers have all partitions, each some of them."""
    async with asyncio.timeout(3 * SECONDS):
        while True:
            shares = [len(await asyncio.to_thread(partitions_of, url)) for url in urls]
            if all(shares) and sum(shares) == PARTITIONS:
                return
            await asyncio.sleep(0.04)
