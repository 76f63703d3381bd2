"""A worker that hangs is told from one that waits."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from faust.types import TP

from streams.engine.group_lease import GroupLease
from streams.engine.partition import Partition
from streams.engine.watchdog import StalledError, Watchdog, watch
from streams.kafka.access import Access
from streams.settings import KafkaSettings
from tests.streams.delivery import simulated_time
from tests.streams.records import new_partition

LIMIT = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


def looks(*marks: tuple[object, bool]) -> list[bool]:
    """What it says every 40 seconds of (mark of progress, excused), with a limit of 100."""
    clock = Clock()
    watchdog = Watchdog(100.0, clock)
    said = []
    for mark, excused in marks:
        said.append(watchdog.is_stalled(mark, excused=excused))
        clock.now += 40
    return said


def test_a_mark_that_stands_still_for_too_long_is_a_stall() -> None:
    assert looks(*[(1, False)] * 5) == [False, False, False, True, True]


def test_a_mark_that_moves_is_none() -> None:
    assert not any(looks(*[(mark, False) for mark in range(10)]))


def test_an_excuse_is_none_and_the_time_counts_from_its_end() -> None:
    assert looks(*[(1, True)] * 6, *[(1, False)] * 4) == [*[False] * 8, True, True]


def test_an_excuse_from_time_to_time_is_enough() -> None:
    assert not any(looks(*[(1, turn % 2 == 0) for turn in range(12)]))


class Waits:
    """A processor that does nothing, on purpose or not."""

    blocked = None
    limited = None

    def __init__(self, *, waits_on_purpose: bool) -> None:
        self.waits_on_purpose = waits_on_purpose


class Recalling(dict[TP, Partition]):
    """Partitions of which another record of the past is read back whenever somebody looks."""

    def values(self) -> Any:
        for partition in super().values():
            partition.recalled += 1
        return super().values()


def at_work() -> Partition:
    partition = idle()
    partition.track([(0, 1)])
    return partition


def idle() -> Partition:
    partition = new_partition()
    partition.start()
    return partition


def ends_with(
    partition: Partition,
    *,
    on_purpose: bool = False,
    recalls: bool = False,
    silence: float = 0.0,
    locked_out: str | None = None,
) -> str | None:
    """What a worker says and ends when it is looked at for ten times its limit; None if it stays.

    `silence` is how many seconds ago Kafka last answered.
    """
    processor: Any = Waits(waits_on_purpose=on_purpose)
    access = Access(KafkaSettings())
    access.locked_out = locked_out
    kind = Recalling if recalls else dict[TP, Partition]

    async def story() -> str | None:
        lease = GroupLease(3600.0)
        lease.record_heartbeat(lease.clock() - silence)
        try:
            async with asyncio.timeout(10 * LIMIT):
                await watch(LIMIT, kind({partition.tp: partition}), processor, lease, access)
        except StalledError as error:
            return str(error)
        except TimeoutError:
            return None
        raise AssertionError("it never ends by itself")

    def clock(_which: int) -> float:
        return simulated_time.now()

    with mock.patch.object(time, "clock_gettime", clock):
        return simulated_time.run(story())


@pytest.mark.parametrize("hangs", [at_work, new_partition], ids=["work", "reading its past"])
def test_a_worker_of_whose_work_nothing_comes_ends(hangs: Callable[[], Partition]) -> None:
    assert "nothing ended" in (ends_with(hangs()) or "")


def test_a_worker_that_kafka_does_not_answer_ends_also_when_it_is_idle() -> None:
    assert "no heartbeat" in (ends_with(idle(), silence=7200.0) or "")


@pytest.mark.parametrize("silence", [0.0, 7200.0], ids=["by some brokers", "by all"])
def test_a_worker_that_kafka_lets_in_no_more_ends_with_what_to_set(silence: float) -> None:
    """Also while connections that are up still carry its heartbeats."""
    said = ends_with(idle(), silence=silence, locked_out="Kafka refuses it: set THIS.")
    assert said is not None
    assert said.startswith("Kafka let it in no more for ")
    assert said.endswith(": Kafka refuses it: set THIS.")


def test_a_worker_without_work_stays() -> None:
    assert ends_with(idle()) is None


def test_a_worker_whose_destination_is_away_stays() -> None:
    assert ends_with(at_work(), on_purpose=True) is None


def test_a_worker_that_reads_its_past_stays_however_long_that_takes() -> None:
    assert ends_with(new_partition(), recalls=True) is None
