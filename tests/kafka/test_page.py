"""The page of metrics of a worker that works on a real Kafka."""

import re
import signal
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.agents.test_workers import _eventually, _get, _started, _where, by_command
from tests.cli.command import SECONDS
from tests.cli.messages import custom_event, event_batch
from tests.streams.cluster import create, settings, write

RAW_MESSAGES = (
    b"{",
    b'{"type": "event_processing_response"}',
    event_batch(custom_event("tried_out"), environment="development"),
)
WORK_DONE: Mapping[str, float] = {
    'records_consumed_total{topic="mparticle-raw"}': 3,
    'records_completed_total{topic="mparticle-raw"}': 3,
    'records_routed_total{kind="event",topic="events"}': 1,
    'development_records_total{topic="events"}': 1,
    "records_unaccounted": 0,
    'oldest_record_age_seconds{destination="",topic="mparticle-raw"}': 0,
    'readiness{state="ready"}': 1,
    'readiness{state="blocked"}': 0,
    "rebalances_total": 1,
}


@pytest.mark.kafka
async def test_it_tells_of_work_done_and_of_the_log_it_was_done_on(
    kafka: Kafka, prefix: str
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    await write(cluster, RAW, *RAW_MESSAGES)
    where = {**_where(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with _started(by_command("router"), where) as (process, url):
        _eventually(lambda: _get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        _eventually(lambda: _told(url).items() >= WORK_DONE.items(), process)
        _eventually(lambda: _offsets(url, "log_end") == _offsets(url, "watermark"), process)
        told = _told(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert sum(_of(told, "committable_offset")) == 3
    assert _of(told, "consumer_lag_records") == [0] * len(_of(told, "committable_offset"))
    assert _of(told, "event_loop_lag_seconds_count")[0] > 0


def _offsets(url: str, what: str) -> list[float]:
    return _of(_told(url), f"{what}_offset")


def _of(told: Mapping[str, float], name: str) -> list[float]:
    return [value for series, value in told.items() if series.partition("{")[0] == name]


def _told(url: str) -> Mapping[str, float]:
    """Every series of ours, by its name without the prefix, and labels."""
    _, page = _get(f"{url}/metrics")
    found = re.findall(r"^mparticle_streams_(\S+) (\S+)$", page.decode(), re.MULTILINE)
    return {series: float(value) for series, value in found}
