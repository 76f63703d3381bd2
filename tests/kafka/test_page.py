"""The page of metrics of a worker that works on a real Kafka."""

import signal
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from sandbox.kafka import Kafka
from streams.topics import RAW
from tests.cli.command import SECONDS
from tests.cli.messages import custom_event, event_batch
from tests.started_workers import at_kafka, by_command, eventually, get, series_of, serving
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
    where = {**at_kafka(kafka, prefix), "KAFKA_INITIAL_OFFSET": "earliest"}
    with serving(by_command("router"), where) as (process, url):
        eventually(lambda: get(f"{url}/ready")[0] == HTTPStatus.OK, process)
        eventually(lambda: series_of(url).items() >= WORK_DONE.items(), process)
        eventually(lambda: _offsets(url, "log_end") == _offsets(url, "watermark"), process)
        told = series_of(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert sum(_of(told, "committable_offset")) == 3
    assert _of(told, "consumer_lag_records") == [0] * len(_of(told, "committable_offset"))
    assert _of(told, "event_loop_lag_seconds_count")[0] > 0


def _offsets(url: str, what: str) -> list[float]:
    return _of(series_of(url), f"{what}_offset")


def _of(told: Mapping[str, float], name: str) -> list[float]:
    return [value for series, value in told.items() if series.partition("{")[0] == name]
