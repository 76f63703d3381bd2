"""What is remembered of partitions is bounded for all of them together."""

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.ordering.partition_memory import PartitionMemory
from tests.streams.properties import SMALL

BUSY, QUIET = TP("events", 0), TP("events", 1)


def test_the_partition_that_has_most_forgets_its_oldest() -> None:
    known = PartitionMemory[int, None](4)
    known.put(QUIET, 0, None)
    for number in range(5):
        known.put(BUSY, number, None)

    assert [known.has(BUSY, number) for number in range(5)] == [False, False, True, True, True]
    assert known.has(QUIET, 0)


def test_what_is_seen_again_counts_once_and_is_new() -> None:
    known = PartitionMemory[int, str](2)
    known.put(BUSY, 1, "first")
    known.put(BUSY, 2, "second")
    known.put(BUSY, 1, "third")
    known.put(BUSY, 3, "fourth")

    assert [known.get(BUSY, number) for number in (1, 2, 3)] == ["third", None, "fourth"]


def test_a_partition_is_forgotten_alone_and_makes_room() -> None:
    known = PartitionMemory[int, None](2)
    known.put(BUSY, 1, None)
    known.put(QUIET, 1, None)
    known.forget(BUSY)
    known.put(QUIET, 2, None)

    assert not known.has(BUSY, 1)
    assert known.has(QUIET, 1)
    assert known.has(QUIET, 2)


@given(
    limit=st.sampled_from([7, 40, 3_000]),
    puts=st.lists(st.tuples(st.sampled_from([BUSY, QUIET]), st.integers(0, 50)), max_size=80),
    many=st.sampled_from([0, 10, 3_500]),
)
@SMALL
def test_it_never_holds_more_than_its_limit_and_always_the_newest(
    limit: int, puts: list[tuple[TP, int]], many: int
) -> None:
    known = PartitionMemory[int, None](limit)
    every = [*((BUSY, -number) for number in range(many)), *puts]
    for tp, number in every:
        known.put(tp, number, None)
        assert known.has(tp, number)
    different = set(every)
    held = sum(known.has(*each) for each in different)

    assert held <= limit
    assert held >= 0.99 * min(limit, len(different)) - 1
