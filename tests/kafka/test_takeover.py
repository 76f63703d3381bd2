"""Partitions that come and go between two workers: which they are, and what is read for them."""

import signal
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from sandbox.kafka import Kafka
from streams.topics import BY_USER, EVENTS
from tests.kafka.leaks.program import Program, started, write
from tests.started_workers import SAILTHRU, at_kafka, by_command, eventually, series_of, serving
from tests.streams.cluster import create, settings

pytestmark = pytest.mark.kafka

OURS = "tests.kafka.leaks.ours"


async def test_a_number_belongs_to_one_worker_in_all_topics(kafka: Kafka, prefix: str) -> None:
    """Order across topics stands on it: an event's updates are where the event is."""
    cluster = settings(kafka, prefix, partitions=5)
    await create(cluster)
    where = {**at_kafka(kafka, prefix), **SAILTHRU}
    with (
        serving(by_command("sailthru"), where) as (one, url),
        serving(by_command("sailthru"), where) as (other, other_url),
    ):
        eventually(lambda: bool(numbers(url)) and bool(numbers(other_url)), one)
        eventually(lambda: sum(map(count, (url, other_url))) == 5 * len(BY_USER), other)
        mine, theirs = numbers(url), numbers(other_url)

    for owned in (mine, theirs):
        assert owned.keys() == {topic.name for topic in BY_USER}
        assert len(set(owned.values())) == 1
    assert mine[EVENTS.name] | theirs[EVENTS.name] == set("01234")
    assert not mine[EVENTS.name] & theirs[EVENTS.name]


def numbers(url: str) -> Mapping[str, frozenset[str]]:
    """By topic, the partitions that a worker has."""
    found = defaultdict[str, set[str]](set)
    for series in series_of(url):
        name, _, labels = series.partition("{")
        if name == "committable_offset":
            partition, topic = (label.split('"')[1] for label in sorted(labels.split(",")))
            found[topic].add(partition)
    return {topic: frozenset(partitions) for topic, partitions in found.items()}


def count(url: str) -> int:
    return sum(map(len, numbers(url).values()))


async def test_what_stays_is_not_read_again_and_what_comes_back_from_another_is(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix)
    await create(cluster)
    await write(cluster, ["passes"] * 3)
    places = [tmp_path / name for name in ("stays", "goes")]
    for place in places:
        place.mkdir()
    with started(OURS, cluster, places[0]) as stays:
        eventually(lambda: len(recalled(stays)) == 1, stays.process)
        eventually(lambda: stays.numbers("did") == {0, 1, 2}, stays.process)
        with started(OURS, cluster, places[1]) as goes:
            eventually(lambda: len(recalled(goes)) == 1, goes.process)
            eventually(lambda: len(recalled(stays)) == 2, stays.process)
            goes.process.send_signal(signal.SIGTERM)
            goes.process.wait(60)
        eventually(lambda: len(recalled(stays)) == 3, stays.process)
        at_first, with_the_other, alone = recalled(stays)

    # Kept and read.
    assert (at_first, with_the_other, alone) == ((0, 2), (1, 0), (1, 1))
    assert recalled(goes) == [(0, 1)]


def recalled(program: Program) -> list[tuple[int, int]]:
    """Of each takeover, how many partitions were kept and how many were read."""
    lines = [line for line in program.log.read_bytes().splitlines() if b'"state_recovered"' in line]
    recoveries = [orjson.loads(line) for line in lines]
    return [(each["partitions_kept"], each["partitions_read"]) for each in recoveries]
