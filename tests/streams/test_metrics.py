"""Every metric moves when that which it tells of happens."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams import metrics
from streams.engine import gauges
from streams.engine.partition import Partition
from streams.kafka.commit_metadata import Progress
from streams.topics import EVENTS
from tests.streams.delivery.flow import Flow, log
from tests.streams.records import new_partition, source

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture(autouse=True)
def nothing_assigned() -> Iterator[None]:
    yield
    gauges.observe([], str)


def shown(name: str, **labels: str) -> float | None:
    """What a worker's page says."""
    return metrics.REGISTRY.get_sample_value(f"mparticle_streams_{name}", labels)


def test_a_child_counts_for_its_metric_whoever_looks_it_up() -> None:
    before = shown("deliveries_total", destination="here", operation="event", outcome="delivered")
    of = ("here", "event", "delivered")
    metrics.child(metrics.DELIVERIES, *of).inc()
    metrics.child(metrics.DELIVERIES, *of).inc()
    metrics.DELIVERIES.labels(*of).inc()
    now = shown("deliveries_total", destination="here", operation="event", outcome="delivered")
    assert now == (before or 0) + 3


def seen(*partitions: Partition) -> None:
    """Somebody asks for the page of a worker with these partitions."""
    gauges.observe(partitions, lambda topic: topic.removeprefix("eu-"), "sailthru")


def under_way(*ages: int, number: int = 0) -> Partition:
    """A partition of records that came so many seconds ago."""
    partition = new_partition(topic="eu-events", number=number)
    now_ms = int(time.time() * 1000)
    partition.arrivals.record(
        ((offset, now_ms - age * 1000) for offset, age in enumerate(ages)), watermark=0
    )
    partition.read = len(partition.track((offset, 1) for offset, _ in enumerate(ages)))
    return partition


def test_the_page_of_the_documentation_is_made_of_the_file() -> None:
    made = metrics.markdown() + "\n"
    assert PAGE.read_text(encoding="utf-8") == made, "python -m streams.metrics > docs/metrics.md"


@pytest.mark.parametrize(
    ("ended", "age"), [([], 90), ([0], 60), ([1], 90), ([0, 1], 20), ([0, 1, 2], 0)]
)
def test_the_oldest_undelivered_record_is_the_first_that_has_not_ended(
    ended: list[int], age: int
) -> None:
    partition = under_way(90, 60, 20)
    for offset in ended:
        partition.mark_ended(offset)
    seen(partition)

    told = shown("oldest_record_age_seconds", destination="sailthru", topic="events")
    # It is known to the second.
    assert told == pytest.approx(age, abs=1.5)


def test_of_several_partitions_the_oldest_record_counts() -> None:
    seen(under_way(5), under_way(70, number=1), under_way(number=2))

    told = shown("oldest_record_age_seconds", destination="sailthru", topic="events")
    assert told == pytest.approx(70, abs=1.5)


def test_lag_is_what_of_the_log_has_not_ended() -> None:
    partition = under_way(3, 2, 1)
    partition.mark_ended(0)
    partition.bounds = 0, 40
    seen(partition)

    at = {"topic": "events", "partition": "0"}
    told = {name: shown(f"{name}_offset", **at) for name in ("committable", "log_start", "log_end")}
    assert told == {"committable": 1, "log_start": 0, "log_end": 40}
    assert shown("consumer_lag_records", **at) == 39


def test_before_kafka_was_asked_the_lag_is_what_is_under_way() -> None:
    seen(under_way(3, 2, 1))

    assert shown("consumer_lag_records", topic="events", partition="0") == 3
    assert shown("log_end_offset", topic="events", partition="0") is None


def test_a_partition_that_was_taken_away_is_shown_no_more() -> None:
    seen(under_way(3), under_way(4, number=1))
    seen(under_way(3))

    assert shown("consumer_lag_records", topic="events", partition="0") == 1
    assert shown("consumer_lag_records", topic="events", partition="1") is None


def test_holes_are_those_of_the_partition_with_the_most() -> None:
    one, two = new_partition(Progress(0, ((2, 3), (5, 7)))), new_partition(number=1)
    seen(one, two)

    assert shown("uncommitted_offset_gaps", topic=EVENTS.name) == 2


def test_records_that_end_are_counted_once() -> None:
    before = shown("records_completed_total", topic="events") or 0
    partition = under_way(1, 1)
    partition.mark_ended(1)
    seen(partition)
    seen(partition)
    partition.mark_ended(0)
    seen(partition)

    assert shown("records_completed_total", topic="events") == before + 2


def test_a_record_that_ends_without_a_known_end_is_unaccounted_for() -> None:
    partition = under_way(1, 1)
    seen(partition)
    found = [shown("records_unaccounted")]
    partition.mark_ended(1)
    seen(partition)
    found.append(shown("records_unaccounted"))

    assert found == [0, 1]


async def test_however_a_record_ends_it_is_accounted_for() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        once = log(("17", "passes"), ("18", "is not wanted"), ("19", "is refused"))
        again = [replace(record, offset=4 + record.offset) for record in once]
        everything = [*once, source(b"no record", 3), *again]
        partition.read = len(everything)
        await flow.accept(partition, everything)
        await flow.settled(partition)
    seen(partition)

    assert (partition.accounted, shown("records_unaccounted")) == (7, 0)


@pytest.mark.parametrize("state", metrics.READY_STATES)
def test_a_worker_is_in_one_state(state: str) -> None:
    gauges.observe_readiness(state)

    told = {each: shown("readiness", state=each) for each in metrics.READY_STATES}
    assert told == {each: each == state for each in metrics.READY_STATES}


def test_the_version_that_runs_is_shown() -> None:
    assert shown("build_info", version=version("mparticle-streams")) == 1


async def test_a_busy_event_loop_is_late() -> None:
    asyncio.get_running_loop().call_soon(time.sleep, 0.05)

    assert await gauges.lateness(0.01) > 0.03


def test_the_summary_says_what_came_since_the_last() -> None:
    summary = gauges.Summary()
    metrics.RECORDS_READ.labels(topic="events").inc(3)
    metrics.RECORDS_READ.labels(topic="user-update").inc(2)
    metrics.DEAD_LETTERS.labels(stage="sink", destination="scripted", reason="refused").inc()

    assert summary.since() == {"read": 5, "ended": 0, "rejected": 1}
    assert summary.since() == {"read": 0, "ended": 0, "rejected": 0}


@given(st.lists(st.one_of(st.floats(0, 10), st.sampled_from([0.01, 1.0, 2.5, 7200.0, 9e9]))))
def test_amounts_observed_together_fall_where_each_alone_would(amounts: list[float]) -> None:
    together, alone = CollectorRegistry(), CollectorRegistry()
    metrics.Histogram("seconds", "Text.", ["at"], registry=together).labels("here").observe_all(
        amounts
    )
    one_by_one = metrics.Histogram("seconds", "Text.", ["at"], registry=alone).labels("here")
    for amount in amounts:
        one_by_one.observe(amount)

    assert _buckets(together) == _buckets(alone)
    sums = [each.get_sample_value("seconds_sum", {"at": "here"}) for each in (together, alone)]
    assert sums[0] == pytest.approx(sums[1])


def _buckets(registry: CollectorRegistry) -> dict[str, float]:
    return {
        sample.labels["le"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "seconds_bucket"
    }
