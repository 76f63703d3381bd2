"""The benchmarks run, and what they compare is the same work. No test looks at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from click.testing import CliRunner

from agents.ab_tasty.refresh import DAY_MS
from agents.ab_tasty.refresh_progress import read_done
from agents.ab_tasty.topics import AB_TASTY_MEMBERS
from agents.registry import all_topics
from sandbox.kafka import Kafka
from streams import topics
from streams.kafka import clients, ranges
from streams.kafka.batch_writer import partition_of
from streams.settings import KafkaSettings
from streams.topics import EVENTS, RAW, USER_UPDATE
from tests.benchmarks import (
    calls,
    concurrency,
    lanes,
    latency,
    mapping,
    members,
    outage,
    posts,
    uploads,
)
from tests.benchmarks.__main__ import main
from tests.benchmarks.events import updates
from tests.benchmarks.log import Log
from tests.benchmarks.messages import RECORDS
from tests.benchmarks.meter import Meter, Readings
from tests.benchmarks.results import at_most, json_lines, markdown, ratios, table
from tests.benchmarks.router import WORKER, Course, Run, installed
from tests.benchmarks.work import AT, RECEIVED_MS, Place, outputs
from tests.streams import cluster

MESSAGES = 120

Written: TypeAlias = tuple[str, bytes, bytes, tuple[tuple[str, bytes], ...]]


@pytest.mark.parametrize(
    ("records", "topics_written"),
    [(1, [EVENTS.name]), (3, [USER_UPDATE.name, EVENTS.name, EVENTS.name])],
)
def test_a_message_of_the_benchmarks_becomes_that_many_records(
    records: int, topics_written: list[str]
) -> None:
    message = RECORDS[records](17)

    assert [out.topic for out in outputs(message.value, AT, RECEIVED_MS)] == topics_written
    assert message == RECORDS[records](17)
    assert message != RECORDS[records](18)
    assert len(message.value) == pytest.approx(1_000, rel=0.1)


def test_hardly_a_call_tells_a_profile_nothing_new() -> None:
    needless, more = calls.measure(1, messages=2_000, users=100)
    assert needless.target is not None
    assert needless.value <= needless.target.bound
    assert more.value > 1


@pytest.mark.kafka
async def test_router_and_all_rivals_that_are_installed_write_the_same_records(
    kafka: Kafka, tmp_path: Path
) -> None:
    names = [WORKER, *installed()]
    assert {"aiokafka_loop", "faust_agent"} < set(names)
    results = await asyncio.gather(*(_written_by(name, kafka, tmp_path) for name in names))

    for run, expected, written in results:
        assert run.messages == MESSAGES
        assert expected.total() == 3 * MESSAGES
        assert written == expected


async def _written_by(
    name: str, kafka: Kafka, directory: Path
) -> tuple[Run, Counter[Written], Counter[Written]]:
    """The run, what had to be written, and what was."""
    async with Log.on(kafka, partitions=2) as log:
        course = await Course.laid(log, MESSAGES, 3, directory)
        run = await course.run(name)
        records = await _read(log, all_topics())
    raw = log.kafka.topic(RAW.name)
    expected = Counter(
        (out.topic, out.key, out.value, tuple(out.headers))
        for source in records
        if source.topic == raw
        for out in outputs(source.value, _place(source), source.timestamp)
    )
    written = Counter(
        (log.kafka.bare(each.topic), each.key, each.value, tuple(each.headers))
        for each in records
        if each.topic != raw
    )
    return run, expected, written


def _place(source: ConsumerRecord) -> Place:
    return Place(source.topic, source.partition, source.offset)


async def _read(log: Log, which: Iterable[topics.Topic]) -> list[ConsumerRecord]:
    """All that is there."""
    ends = {tp: end for tp, end in (await log.ends(which)).items() if end}
    found: list[ConsumerRecord] = []
    async with clients.range_consumer(log.kafka) as consumer:
        async for _, records in ranges.read(
            log.kafka, consumer, await ranges.whole(consumer, ends)
        ):
            found += records
    return found


@pytest.mark.kafka
async def test_rows_that_need_workers_find_what_they_measure(kafka: Kafka) -> None:
    """All at once, because most of it is waiting for processes to start."""
    (p50, p99), (requests, wrong), (rows, *_), of_posts = await asyncio.gather(
        latency.event(kafka, rounds=1, messages=3),
        uploads.poison(kafka, rounds=1),
        uploads.rate(kafka, rounds=1, changes=2_000),
        posts.run(kafka, rounds=1, seconds=0.5, dribblers=20),
    )

    assert 0 < p50.value <= p99.value
    assert 1 < requests.value <= 12
    assert wrong.value == 0
    assert rows.value > 0
    assert all(result.value > 0 for result in of_posts)


def test_requests_in_flight_are_adapted_where_that_brings_something_and_cost_nothing_else() -> None:
    results = concurrency.measure(seconds=60.0)

    assert all(result.target.met(result.value) for result in results if result.target)


@pytest.mark.kafka
async def test_a_worker_is_left_only_the_slice_of_today(kafka: Kafka) -> None:
    async with Log.on(kafka, partitions=1) as log:
        await members.only_today_is_left(log.kafka)
        place = (log.kafka.topic(AB_TASTY_MEMBERS.name), 0)
        group = log.kafka.group("ab-tasty-refresh")
        async with cluster.assigned(log.kafka, group, [place]) as consumer:
            last = (await read_done(consumer, TopicPartition(*place))).last_day(21)

    assert last == time.time() * 1000 // DAY_MS - 1


async def test_what_waits_while_a_destination_is_away_comes_in_order() -> None:
    requests, full, disorder = await outage.run(None, 1, records=2_000)

    assert requests.value > 0
    assert full.value < 30
    assert disorder.value == 0


def test_a_leaning_backlog_has_its_share_in_the_first_partition() -> None:
    kafka = KafkaSettings(topic_partitions=4)
    drawn = [out.key for out in updates(kafka, 4_000, 1_000, seed=1, leaning=0.5)]
    in_first = sum(partition_of(key, 4) == 0 for key in drawn)

    assert in_first / len(drawn) == pytest.approx(0.5, abs=0.05)


def test_mapping_is_measured_for_each_number_of_records_and_for_what_an_account_sends() -> None:
    results = mapping.measure(rounds=1)

    assert {(result.row, result.case) for result in results} == {
        ("P2", "1 record a message"),
        ("P2", "3 records a message"),
        ("P2m", "what an account sends"),
    }
    assert all(result.value > 0 for result in results)


async def test_delivery_is_never_faster_than_the_best_possible() -> None:
    _, best, _ = await lanes.compared("few", skew=1.0, rounds=1, records=60)

    assert best.value >= 1


def test_a_ratio_is_taken_round_by_round() -> None:
    result = ratios("P0", "some", "a / b", [2.0, 9.0, 30.0], [1.0, 3.0, 5.0], at_most(2.5))

    assert orjson.loads(json_lines([result])) == {
        "row": "P0",
        "case": "some",
        "what": "a / b",
        "unit": "ratio",
        "value": 3.0,
        "lowest": 2.0,
        "highest": 6.0,
        "rounds": 3,
        "target": "<= 2.5",
        "met": False,
    }
    assert table([result]).row_count == 1
    assert markdown([result]).splitlines()[-1] == (
        "| P0 | some | a / b | 3 x | 2 to 6 | <= 2.5 | missed |"
    )


def test_meter_tells_cpu_between_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    path.write_text("100.0 1.0 5 -\n101.0 2.0 6 work\n103.0 2.5 6 work\n")
    readings = Readings.read(path)

    assert readings.marks["work"].at == 101.0
    assert [readings.cpu_at(at) for at in (99, 100.5, 102, 104)] == [1.0, 1.5, 2.25, 2.5]


def test_meter_notes_the_first_call_only(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    double = Meter(path).marking_first("doubled", lambda number: 2 * number)

    assert [double(1), double(2)] == [2, 4]
    assert path.read_text().count("doubled") == 1


def test_a_row_that_is_not_there_is_refused_with_those_that_are() -> None:
    result = CliRunner().invoke(main, ["--only", "P2,P99"])

    assert result.exit_code == 2
    assert "there is no P99, but P1, P2" in result.output
