"""Brokers that end each login after a while, as managed ones do."""

import asyncio
from pathlib import Path

import pytest

from agents import rights as components
from cli.demo.lag import Lag
from cli.demo.run import READS
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.cli.command import SECONDS
from tests.kafka.acls import grant
from tests.kafka.routers import Router, running
from tests.kafka.secured import PASSWORD, USER, secured
from tests.started_workers import series_of
from tests.streams.cluster import commit, create, settings, write

LIFE_MS = 1_000


async def work(to: KafkaSettings, lag: Lag, router: Router) -> None:
    await write(to, RAW, b"{")
    async with asyncio.timeout(SECONDS):
        while not (await lag.of("router", READS["router"])).done:
            assert router.process.code is None, router.said()
            await asyncio.sleep(0.04)


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_worker_logs_in_again_and_stays_in_its_group(prefix: str, tmp_path: Path) -> None:
    async with secured(tmp_path, **{"connections.max.reauth.ms": LIFE_MS}) as broker:
        plain = settings(broker.broker, prefix)
        await create(plain)
        raw, group = plain.topic(RAW.name), plain.group("router")
        await commit(plain, group, {(raw, number): (0, "") for number in range(2)})
        await grant(broker, USER, components.of("router").on(plain))
        own = broker.settings("SECURED", prefix=prefix)
        router = Router(
            own,
            tmp_path / "log",
            KAFKA_SECURITY_PROTOCOL="SASL_SSL",
            KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
            KAFKA_SASL_USERNAME=USER,
            KAFKA_SASL_PASSWORD=PASSWORD,
            KAFKA_SSL_CAFILE=str(broker.ca_file),
        )
        async with running(router), Lag.open(plain) as lag:
            while "KafkaConnectionError" not in router.said():
                await work(plain, lag, router)
            await work(plain, lag, router)
            rebalances = series_of(router.url)["rebalances_total"]
            assert await router.process.stop() == 0
    assert rebalances == 1
