"""A worker with a stable name of its own, that is back before its session is over."""

import signal
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.started_workers import (
    at_kafka,
    by_command,
    eventually,
    get,
    partitions_of,
    series_of,
    serving,
)
from tests.streams.cluster import create, settings, write


@pytest.mark.kafka
async def test_it_goes_on_with_its_partition_and_the_others_notice_nothing(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    first, second = (
        {**at_kafka(kafka, prefix), "KAFKA_GROUP_INSTANCE_ID": f"router-{number}"}
        for number in range(2)
    )
    router = by_command("router")
    with serving(router, first) as (stays, url):
        with serving(router, second) as (goes, other):
            eventually(lambda: len(partitions_of(url)) == len(partitions_of(other)) == 1, goes)
            theirs, rebalances = partitions_of(url), series_of(url)["rebalances_total"]
            goes.send_signal(signal.SIGTERM)
            assert goes.wait() == 0
        with serving(router, second) as (killed, other):
            eventually(lambda: get(f"{other}/ready")[0] == HTTPStatus.OK, killed)
            killed.kill()
            killed.wait()
        with serving(router, second) as (back, other):
            eventually(lambda: get(f"{other}/ready")[0] == HTTPStatus.OK, back)
            for partition in range(2):
                await write(cluster, RAW, b"{", partition=partition)
            eventually(lambda: ended(url) == ended(other) == 1, back)

            assert stays.poll() is None
            assert partitions_of(url) == theirs
            assert partitions_of(other) == {"0", "1"} - theirs
            assert series_of(url)["rebalances_total"] == rebalances


def ended(url: str) -> float:
    return series_of(url).get(f'records_completed_total{{topic="{RAW.name}"}}', 0)
