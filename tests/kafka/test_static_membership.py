"""A worker with a stable name of its own, that is back before its session is over."""

import re
import signal
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.agents.test_workers import _eventually, _get, _started, _where, by_command
from tests.kafka.test_page import _told
from tests.streams.cluster import create, settings, write


@pytest.mark.kafka
async def test_it_goes_on_with_its_partition_and_the_others_notice_nothing(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    first, second = (
        {**_where(kafka, prefix), "KAFKA_GROUP_INSTANCE_ID": f"router-{number}"}
        for number in range(2)
    )
    router = by_command("router")
    with _started(router, first) as (stays, url):
        with _started(router, second) as (goes, other):
            _eventually(lambda: len(partitions(url)) == len(partitions(other)) == 1, goes)
            theirs, rebalances = partitions(url), _told(url)["rebalances_total"]
            goes.send_signal(signal.SIGTERM)
            assert goes.wait() == 0
        with _started(router, second) as (killed, other):
            _eventually(lambda: _get(f"{other}/ready")[0] == HTTPStatus.OK, killed)
            killed.kill()
            killed.wait()
        with _started(router, second) as (back, other):
            _eventually(lambda: _get(f"{other}/ready")[0] == HTTPStatus.OK, back)
            for partition in range(2):
                await write(cluster, RAW, b"{", partition=partition)
            _eventually(lambda: ended(url) == ended(other) == 1, back)

            assert stays.poll() is None
            assert partitions(url) == theirs
            assert partitions(other) == {"0", "1"} - theirs
            assert _told(url)["rebalances_total"] == rebalances


def partitions(url: str) -> set[str]:
    """Those that a worker has; none while it does not answer."""
    names = " ".join(_told(url))
    return set(re.findall(r'committable_offset\{partition="(\d+)"', names))


def ended(url: str) -> float:
    return _told(url).get(f'records_completed_total{{topic="{RAW.name}"}}', 0)
