"""`worker sailthru --dry-run`: real traffic, and nothing sent."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiokafka import TopicPartition

from agents.sailthru.topics import SAILTHRU_LISTS
from models.record import Record
from sandbox.kafka import Kafka
from sandbox.ports import free_ports
from streams.kafka import clients
from streams.kafka.clients import admin
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, DEAD_LETTERS, EVENTS, USER_UPDATE
from tests import zygote
from tests.agents.sailthru.factories import attributes, audience, event
from tests.agents.sailthru.simulated import KEY, SECRET, Simulated
from tests.cli.command import COMMAND, SECONDS, environment, run
from tests.streams.cluster import commit, create, settings, write

_COUNTED = re.compile(
    r"^mparticle_streams_(deliveries|requests|records_dropped|dead_letters)_total"
    r'\{.*"sailthru-dry-run".*\} (\d+)',
    re.MULTILINE,
)


@pytest.mark.kafka
async def test_everything_is_counted_and_nothing_leaves_a_trace_elsewhere(
    kafka: Kafka, prefix: str, sailthru: Simulated
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    await write(
        cluster, USER_UPDATE, *map(_bytes, (attributes(tier="gold"), attributes(None, a=1)))
    )
    await write(cluster, EVENTS, *map(_bytes, (event(), event("a_test"))))
    await write(cluster, AUDIENCE_MEMBERSHIP, _bytes(audience()))
    real = f"{prefix}mparticle-streams-sailthru"
    await commit(cluster, real, {(cluster.topic(EVENTS.name), 0): (1, "as it was")})
    async with _dry_run(cluster, sailthru.url) as url:
        # The update was delivered, the other names nobody; one event was delivered, one denied; for
        # its list nobody waited.
        await _until(url, {"deliveries": 3, "requests": 3, "records_dropped": 1, "dead_letters": 1})
    assert sailthru.requests() == {}
    assert await _offsets(cluster, f"{real}-dry-run") == {
        ("user-update", 0): 2,
        ("events", 0): 2,
        ("audience-membership", 0): 1,
    }
    assert await _offsets(cluster, real) == {("events", 0): 1}
    assert await _end(cluster, DEAD_LETTERS.name) == 0
    assert await _end(cluster, SAILTHRU_LISTS.name) == 0


def test_router_has_none() -> None:
    done = run("worker", "router", "--dry-run")
    assert done.returncode == 2
    assert "mparticle-streams route" in done.stderr


def _bytes(record: Record) -> bytes:
    return record.model_dump_json().encode()


@asynccontextmanager
async def _dry_run(cluster: KafkaSettings, sailthru: str) -> AsyncIterator[str]:
    port = next(free_ports())
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_PREFIX": cluster.prefix,
        "KAFKA_INITIAL_OFFSET": "earliest",
        "SAILTHRU_API_KEY": KEY,
        "SAILTHRU_API_SECRET": SECRET,
        "SAILTHRU_BASE_URL": sailthru,
        "SAILTHRU_EVENTS_DENY": "*_test",
        "SAILTHRU_NO_IDENTITY": "dead_letter",
        # The factories' records are of one moment.
        "SAILTHRU_EVENT_MAX_AGE_DAYS": "100000",
        "WORKER_MAX_REJECTED_SHARE": "1",
        "WORKER_PORT": str(port),
    }
    with zygote.Popen(
        [*COMMAND, "worker", "sailthru", "--dry-run"],
        env=environment(given),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}"
            process.terminate()
            assert await asyncio.to_thread(process.wait, SECONDS) == 0
        finally:
            process.kill()


async def _until(url: str, counted: Mapping[str, int]) -> None:
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as http:
        while await _counts(http, url) != counted:  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.1)


async def _counts(http: aiohttp.ClientSession, url: str) -> Mapping[str, int]:
    try:
        async with http.get(f"{url}/metrics") as answer:
            page = await answer.text()
    except aiohttp.ClientError:
        return {}
    counts: dict[str, int] = {}
    for name, count in _COUNTED.findall(page):
        counts[name] = counts.get(name, 0) + int(count)
    return counts


async def _offsets(cluster: KafkaSettings, group: str) -> Mapping[tuple[str, int], int]:
    async with admin(cluster) as client:
        found = await client.list_consumer_group_offsets(group)
    return {
        (cluster.bare(tp.topic), tp.partition): at.offset
        for tp, at in found.items()
        if at.offset > 0
    }


async def _end(cluster: KafkaSettings, topic: str) -> int:
    async with clients.consumer(cluster) as consumer:
        at = [TopicPartition(cluster.topic(topic), i) for i in range(cluster.topic_partitions)]
        return sum((await consumer.end_offsets(at)).values())
