"""A worker with a stable name of its own, that is back before its session is over."""

import re
import signal
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.started_workers import at_kafka, by_command, eventually, get, series_of, serving
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
            eventually(lambda: len(partitions(url)) == len(partitions(other)) == 1, goes)
            theirs, rebalances = partitions(url), series_of(url)["rebalances_total"]
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
            assert partitions(url) == theirs
            assert partitions(other) == {"0", "1"} - theirs
            assert series_of(url)["rebalances_total"] == rebalances


def partitions(url: str) -> set[str]:
    """Those that a worker has; none while it does not answer."""
    names = " ".join(series_of(url))
    return set(re.findall(r'committable_offset\{partition="(\d+)"', names))


def ended(url: str) -> float:
    return series_of(url).get(f'records_completed_total{{topic="{RAW.name}"}}', 0)
