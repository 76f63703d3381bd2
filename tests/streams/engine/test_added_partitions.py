"""What came since partitions were added waits for what was before them, and for nothing else."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from streams.engine.added_partitions import AddedPartitions, up_to_highest
from streams.engine.forgotten_offsets import forgotten
from streams.kafka.commit_metadata import Progress, Sight
from streams.kafka.log_bounds import Bounds

OLD, OTHER = TP("user-update", 0), TP("events", 0)
ADDED = TP("user-update", 1)
LIMITED, BESIDE = TP("events", 1), TP("events", 2)
END = 10
THERE = Bounds(0, END, END)


def seen(at: int, *, of: int = 2, end: int = END) -> Progress:
    return Progress(at, sight=Sight(1, of, end))


def test_their_turn_comes_when_each_of_the_others_has_passed_where_it_ended() -> None:
    known = {OLD: seen(END), OTHER: seen(END - 1, of=1)}
    added = AddedPartitions([OLD, OTHER, ADDED], known, [ADDED])
    assert added.waiting == {ADDED}
    assert added.said == (
        "user-update-1 were added, and wait until the group has passed what was there before: "
        "offset 10 of events-0"
    )
    added.look({OLD: seen(END), OTHER: seen(END, of=1)})
    assert [*added.waiting] == []


def test_they_wait_until_the_worker_of_each_of_the_others_has_seen_them() -> None:
    """However far it has come: until then nobody knows how far it has to."""
    added = AddedPartitions([OLD, ADDED], {OLD: seen(2 * END, of=1)}, [ADDED])
    assert added.waiting == {ADDED}
    assert str(added.said).endswith("where user-update-0 ends, which no worker has committed")


def test_the_line_that_lets_writers_start_comes_after_the_ends_are_committed() -> None:
    """Each look is at what Kafka has; whoever has none of what was added tells nothing."""
    looks = [{OLD: seen(0, of=1), OTHER: seen(0, of=0)}, {OLD: seen(0), OTHER: seen(0, of=0)}]
    committed = {OLD: seen(0), OTHER: seen(0, of=1)}
    with capture_logs() as logged:
        beside = AddedPartitions([OLD, OTHER, ADDED], committed, [OLD])
        added = AddedPartitions([OLD, OTHER, ADDED], looks[0], [ADDED])
        for known in looks:
            added.look(known)
    assert logged == []
    with capture_logs() as logged:
        added.look(committed)
        added.look(committed)
    assert [each["event"] for each in logged] == ["partitions_seen"]
    assert "who writes may go on" in logged[0]["detail"]
    assert added.wait
    assert not beside.wait


def test_what_others_were_given_keeps_nobody_waiting_where_no_user_moves_to_ours() -> None:
    added = AddedPartitions([OLD, ADDED], {OLD: seen(0)}, [OLD])
    assert added.read_limit(seen(0), OLD) is None
    assert added.said is None


@pytest.mark.parametrize(
    ("partitions", "is_limited"), [(3, True), (4, False), (5, True), (6, False), (7, True)]
)
def test_old_partitions_stop_where_they_ended_unless_there_are_a_multiple_of_them(
    partitions: int, is_limited: bool
) -> None:
    known = {OTHER: seen(END, of=partitions), LIMITED: seen(4, of=partitions)}
    every = up_to_highest([TP("events", partitions - 1)])
    added = AddedPartitions(every, known, [LIMITED])
    assert added.read_limit(known[LIMITED], LIMITED) == (END if is_limited else None)
    said = f"events had 2 partitions and has {partitions}, which is no multiple"
    assert (said in str(added.said)) is is_limited

    added.look({tp: replace(each, offset=END) for tp, each in known.items()})
    assert added.read_limit(known[LIMITED], LIMITED) is None
    assert added.said is None


ADDED_THERE = Progress(5, sight=Sight(2, 3, 0))
SIGHTS: Mapping[str, tuple[TP, Progress, Collection[TP], Sight]] = {
    "the first of all": (OTHER, Progress(3), [], Sight(2, 2, END)),
    "the first since there are more": (OTHER, seen(3, end=7), [BESIDE], Sight(2, 3, END)),
    "seen by the worker before": (OTHER, seen(3, of=3, end=7), [BESIDE], Sight(2, 3, 7)),
    "by one that has heard of fewer": (OTHER, seen(3, of=3, end=7), [], Sight(2, 3, 7)),
    "seen of another log": (OTHER, seen(3, end=END + 1), [], Sight(2, 2, END)),
    "of what was added": (BESIDE, Progress(0), [BESIDE], Sight(2, 3, 0)),
    "of what was added, by the next worker": (BESIDE, ADDED_THERE, [BESIDE], Sight(2, 3, 0)),
}


@pytest.mark.parametrize(("tp", "start", "added", "sight"), SIGHTS.values(), ids=SIGHTS.keys())
def test_where_a_partition_ended_is_settled_once_for_so_many_partitions(
    tp: TP, start: Progress, added: Collection[TP], sight: Sight
) -> None:
    known = {OTHER: Progress(3), LIMITED: Progress(0, sight=Sight(2))}
    if start.offset:
        known[tp] = start
    of = AddedPartitions([OTHER, LIMITED, *added], known, [tp])
    assert of.sighted(tp, start, THERE) == replace(start, sight=sight)


@pytest.mark.parametrize(
    ("number", "begun", "partitions", "origins"),
    [
        (2, 2, 4, [0]),
        (3, 2, 4, [1]),
        (5, 2, 6, [1]),
        (4, 3, 9, [1]),
        # Users come from any of them.
        (2, 2, 3, [0, 1]),
        (3, 2, 5, [0, 1]),
        # There from the first on, or of a group that does not say so.
        (1, 2, 4, []),
        (2, 4, 4, []),
        (2, 0, 4, []),
    ],
)
def test_the_past_of_an_added_partition_is_also_where_its_users_were_before(
    number: int, begun: int, partitions: int, origins: Collection[int]
) -> None:
    known = {
        TP("events", each): Progress(20 + each, sight=Sight(begun, partitions, 10 + each))
        for each in range(begun)
    }
    here, start = TP("events", number), Progress(4, sight=Sight(begun, partitions))
    added = AddedPartitions(up_to_highest([TP("events", partitions - 1)]), known, [here])
    assert added.origins(here, start) == {TP("events", each): 10 + each for each in origins}


@pytest.mark.parametrize(
    ("start", "assigned", "is_early"),
    [
        (seen(3, of=1), [OLD], True),
        (seen(3, of=1), [OLD, ADDED], True),
        (seen(3, of=2), [OLD, ADDED], False),
        # Of a group that has only just begun nobody knows when they were added.
        (Progress(3), [OLD], False),
    ],
)
def test_where_users_only_move_to_what_is_new_the_end_is_settled_when_all_writers_have_heard(
    start: Progress, assigned: Collection[TP], is_early: bool
) -> None:
    added = AddedPartitions([OLD, ADDED], {OLD: start}, assigned)
    assert added.is_early(OLD, start) is is_early
    if is_early:
        assert added.sighted(OLD, start, THERE) == start
    assert added.is_early(OLD, replace(start, sight=added.sight(OLD, END))) is False
    assert added.is_early(ADDED, Progress(0)) is False


@pytest.mark.parametrize(
    ("of", "known", "gone"),
    [
        ({"a": 2}, {"a": {0: 2, 1: 2}}, []),
        ({"a": 4}, {"a": {0: 2, 1: 2}}, []),
        ({"a": 2}, {"a": {0: 2}}, ["a-1"]),
        ({"a": 3}, {"a": {1: 2}}, ["a-0"]),
        # Others have begun one that was added later than one that nobody has begun yet.
        ({"a": 3}, {"a": {0: 1, 2: 1}}, []),
        ({"a": 3}, {"a": {0: 3, 2: 1}}, ["a-1"]),
        # One topic was given more before another.
        ({"a": 4, "b": 4}, {"a": {0: 4, 1: 4, 2: 4, 3: 4}, "b": {0: 2, 1: 2}}, []),
        # Commits that tell nothing of it.
        ({"a": 2, "b": 2}, {"a": {0: 0, 1: 0}, "b": {0: 0}}, ["b-1"]),
        ({"a": 2, "b": 2}, {"a": {0: 0}, "b": {0: 0}}, ["a-1", "b-1"]),
        # Those of another topic tell of it: they grow together, or one after another.
        ({"a": 4, "b": 4}, {"a": {0: 2, 1: 2}, "b": {0: 0}}, ["b-1"]),
        ({"a": 4, "b": 4}, {"a": {0: 2, 1: 2}}, ["b-0", "b-1"]),
        ({"a": 2}, {}, ["a-0", "a-1"]),
    ],
)
def test_a_partition_without_an_offset_was_forgotten_if_the_group_had_begun_it(
    of: Mapping[str, int], known: Mapping[str, Mapping[int, int]], gone: Collection[str]
) -> None:
    """A number beside each that has an offset: of how many its last takeover knew an offset."""
    every = [TP(topic, number) for topic, count in of.items() for number in range(count)]
    there = {
        TP(topic, number): Progress(0, sight=Sight(begun))
        for topic, numbers in known.items()
        for number, begun in numbers.items()
    }
    assert [f"{tp.topic}-{tp.partition}" for tp in forgotten(every, there)] == gone


def test_lower_numbers_are_there_of_which_a_worker_has_not_heard() -> None:
    assert up_to_highest([ADDED, BESIDE]) == {OLD, ADDED, OTHER, LIMITED, BESIDE}
