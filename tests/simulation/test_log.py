"""A simulated log whose end is lost knows of transactions what Kafka does, which reads it anew."""

import pytest

from streams.topics import EVENTS, USER_UPDATE
from tests.simulation.evidence import Plan, Written
from tests.simulation.log import Partition
from tests.simulation.story import Story

_NOW_MS = 1_000
_FIRST, _SECOND = 7, 8
_SMALL = Plan(workers=1, partitions=1, users=2, records=0, seconds=1.0, faults=0)


def _record(name: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    return b"user", name.encode(), []


def _write(partition: Partition, producer: int, name: str) -> None:
    partition.write_in_transaction([_record(name)], _NOW_MS, producer)


def _interleaved(*, aborts: bool) -> Partition:
    """Two transactions, the second of which begins within the first and ends after it."""
    partition = Partition()
    _write(partition, _FIRST, "first")
    _write(partition, _SECOND, "second")
    partition.mark_transaction(_FIRST, _NOW_MS, aborts=aborts)
    partition.mark_transaction(_SECOND, _NOW_MS, aborts=aborts)
    return partition


def _visible(partition: Partition) -> list[bytes | None]:
    readable = partition.readable(committed=True)
    return [each.value for each in partition.records() if each.offset < readable]


@pytest.mark.parametrize("aborts", [True, False], ids=["aborted", "committed"])
@pytest.mark.parametrize(
    ("end", "left", "readable"),
    [(4, 4, 4), (3, 3, 1), (2, 2, 0), (1, 1, 0), (0, 0, 0)],
    ids=["none", "one mark", "both marks", "one transaction", "all"],
)
def test_a_transaction_whose_mark_is_cut_off_is_open_again(
    end: int, left: int, readable: int, *, aborts: bool
) -> None:
    partition = _interleaved(aborts=aborts)
    partition.cut_off(end)
    assert (partition.end, partition.readable(committed=True)) == (left, readable)
    names = [b"first", b"second"][:readable]
    assert _visible(partition) == ([] if aborts else names)


def test_what_hangs_is_named_and_ended_and_hides_what_was_in_it_alone() -> None:
    partition = _interleaved(aborts=False)
    assert partition.cut_off(3) == [_SECOND]
    assert partition.offsets_in_transaction(_SECOND) == [1]
    partition.write([_record("later")], _NOW_MS)
    assert _visible(partition) == [b"first"]
    partition.mark_transaction(_SECOND, _NOW_MS, aborts=True)
    assert _visible(partition) == [b"first", b"later"]


def test_a_transaction_that_had_not_ended_is_no_other_than_it_was() -> None:
    partition = Partition()
    _write(partition, _FIRST, "kept")
    _write(partition, _FIRST, "lost")
    assert partition.cut_off(1) == []
    assert partition.is_open(_FIRST)
    partition.mark_transaction(_FIRST, _NOW_MS, aborts=False)
    assert _visible(partition) == [b"kept"]


def test_who_reads_what_is_committed_stands_no_earlier_than_the_log_does() -> None:
    partition = Partition()
    _write(partition, _FIRST, "deleted")
    partition.write([_record("there")], _NOW_MS)
    partition.delete_before(1)
    assert partition.readable(committed=True) == 1


@pytest.mark.parametrize("seed", range(12))
def test_all_that_goes_with_the_end_of_a_log_is_excused(seed: int) -> None:
    """Batches go as wholes, so that the log may end before the offset that was drawn."""
    story = Story(seed, _SMALL)
    evidence, loop = story.evidence, story.loop
    for topic in (EVENTS, USER_UPDATE):
        partition = evidence.kafka.topics[topic.name][0]
        for batch in range(4):
            names = [f"{topic.name}/{batch}/{number}" for number in range(3)]
            offset = partition.write([_record(name) for name in names], _NOW_MS)
            evidence.written += (
                Written(topic.name, 0, offset + n, "user", name, 0.0, is_refused=False)
                for n, name in enumerate(names)
            )
    loop.run_until_complete(story.faults.kinds["truncated"]())
    left = {
        (each.value or b"").decode()
        for topic in (EVENTS, USER_UPDATE)
        for each in evidence.kafka.topics[topic.name][0].records()
    }
    loop.close()
    assert evidence.excused == {each.id for each in evidence.written} - left
