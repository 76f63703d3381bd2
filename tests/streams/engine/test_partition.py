"""A partition says when to fetch no more, and when again."""

import pytest
from faust.types import TP

from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.commit_metadata import Progress
from streams.settings import WorkerSettings
from tests.streams.records import new_partition


def commit(partition: Partition) -> None:
    partition.committed = partition.progress


LIMITS = {
    "records": (InFlightLimit(records=4, size=10**9, runs=10**9), 1),
    "bytes": (InFlightLimit(records=10**9, size=4_000, runs=10**9), 1_000),
}


@pytest.mark.parametrize(("limit", "size"), LIMITS.values(), ids=LIMITS.keys())
def test_it_is_full_at_the_limit_and_drained_below_half_of_it(
    limit: InFlightLimit, size: int
) -> None:
    partition = new_partition(limit=limit)
    seen = []
    for offset in range(4):
        partition.track([(offset, size)])
        seen.append((partition.is_full, partition.has_room))
    for offset in range(4):
        partition.mark_ended(offset)
        seen.append((partition.is_full, partition.has_room))

    neither, full, drained = (False, False), (True, False), (False, True)
    assert seen == [drained, neither, neither, full, neither, neither, drained, drained]


def test_it_is_full_when_too_many_runs_had_to_be_committed() -> None:
    partition = new_partition(limit=InFlightLimit(runs=2))
    partition.track((offset, 1) for offset in range(6))
    for offset in (1, 3, 5):
        partition.mark_ended(offset)
    before = partition.is_full
    commit(partition)

    assert (before, partition.is_full, partition.has_room) == (False, True, False)

    partition.mark_ended(0)
    partition.mark_ended(2)
    partition.mark_ended(4)
    commit(partition)

    assert (partition.is_full, partition.has_room) == (False, True)


def test_it_is_full_when_it_is_too_far_ahead_of_what_has_not_ended() -> None:
    """However few records wait: after a takeover all that is ahead is looked through again."""
    partition = new_partition(limit=InFlightLimit(ahead=10))
    seen = []
    for offset in range(10):
        partition.track([(offset, 1)])
        if offset:
            partition.mark_ended(offset)
        seen.append(partition.is_full)
    partition.mark_ended(0)

    assert seen == [False] * 9 + [True]
    assert (partition.is_full, partition.has_room) == (False, True)


@pytest.mark.parametrize(("partitions", "records", "size"), [(1, 900, 9_000), (36, 25, 250)])
def test_partitions_share_what_a_worker_may_have_under_way(
    partitions: int, records: int, size: int
) -> None:
    worker = WorkerSettings(
        max_in_flight_records=900, max_in_flight_bytes=9_000, max_uncommitted_offsets=70
    )

    assert InFlightLimit.share(worker, partitions) == InFlightLimit(records, size, ahead=70)
    # More partitions than that: each goes on, one record at a time.
    assert InFlightLimit.share(worker, 10_000) == InFlightLimit(1, 1, ahead=70)


@pytest.mark.parametrize("runs", [500, 999, 1_000, 1_400])
def test_one_that_has_nothing_under_way_is_drained_however_it_began(runs: int) -> None:
    """Else it is paused for ever: what would close its holes is not even fetched."""
    partition = new_partition(Progress(0, tuple((n * 2 + 1, n * 2 + 2) for n in range(runs))))
    partition.track([(0, 10_000)])
    partition.mark_ended(0)
    commit(partition)

    assert partition.offsets.waiting == 0
    assert partition.has_room


def test_it_tells_of_every_change_also_when_it_is_closed() -> None:
    changes: list[Partition] = []
    partition = Partition(TP("events", 0), Progress(0), InFlightLimit(), changes.append)
    partition.track([(0, 1)])
    partition.closed = True
    partition.mark_ended(0)

    assert changes == [partition, partition]
    assert partition.progress == Progress(1)


def test_it_tells_once_of_what_ended_together() -> None:
    changes: list[Partition] = []
    partition = Partition(TP("events", 0), Progress(0), InFlightLimit(), changes.append)
    partition.track((offset, 1) for offset in range(4))
    changes.clear()
    partition.mark_ended(0, 3, 1)

    assert changes == [partition]
    assert partition.take_ended() == 3
    assert partition.progress == Progress(2, ((3, 4),))


def test_its_epoch_stands_in_what_is_committed() -> None:
    partition = new_partition(Progress(4, epoch=1_767_225_600_000))

    assert partition.progress == Progress(4, epoch=1_767_225_600_000)
