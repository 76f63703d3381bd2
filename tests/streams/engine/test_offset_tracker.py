"""OffsetTracker, partition and metadata against a model that knows all that happened."""

import itertools

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.engine.offset_tracker import OffsetTracker
from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.commit_metadata import Progress, decode, encode
from tests.streams.properties import SMALL, STEPS
from tests.streams.records import CLUSTER

LIMIT = InFlightLimit(records=6, size=120, runs=100)


def fetched(offsets: OffsetTracker, *numbers: int) -> list[int]:
    return offsets.track((number, 10) for number in numbers)


@pytest.mark.parametrize(
    ("ends", "watermark", "runs"),
    [
        ([], 5, []),
        ([5], 6, []),
        ([6], 5, [(6, 7)]),
        ([6, 8], 5, [(6, 7), (8, 9)]),
        ([8, 6, 7], 5, [(6, 9)]),
        ([6, 7, 5], 8, []),
        ([5, 6, 7, 8, 9], 10, []),
    ],
)
def test_the_watermark_is_the_first_offset_that_has_not_ended(
    ends: list[int], watermark: int, runs: list[tuple[int, int]]
) -> None:
    offsets = OffsetTracker(5)
    fetched(offsets, 5, 6, 7, 8, 9)
    for offset in ends:
        offsets.mark_ended(offset)

    assert (offsets.watermark, offsets.runs()) == (watermark, runs)


def test_a_single_unended_record_at_the_head_is_not_committed_over() -> None:
    offsets = OffsetTracker(31)
    fetched(offsets, 31, 32, 33)
    offsets.mark_ended(32)
    offsets.mark_ended(33)

    assert offsets.watermark == 31


def test_a_gap_in_the_log_is_passed_but_not_the_record_behind_it() -> None:
    offsets = OffsetTracker(0)
    assert fetched(offsets, 7, 10, 11) == [7, 10, 11]
    offsets.mark_ended(7)
    offsets.mark_ended(11)

    assert (offsets.watermark, offsets.runs()) == (10, [(11, 12)])


def test_offsets_without_records_part_no_runs() -> None:
    """Of a producer with transactions there is a mark after each record."""
    offsets = OffsetTracker(0)
    for offset in range(0, 2_000, 2):
        fetched(offsets, offset)
        offsets.advance_to(offset + 2)
    offsets.mark_ended(*range(2, 2_000, 2))

    assert (offsets.watermark, offsets.runs()) == (0, [(1, 2_000)])


def test_a_million_that_ended_behind_one_that_does_not_are_one_run() -> None:
    offsets = OffsetTracker(0)
    offsets.track((offset, 1) for offset in range(1_000_000))
    offsets.mark_ended(*range(1, 1_000_000))

    assert (offsets.watermark, offsets.ahead) == (0, 1_000_000)
    assert offsets.runs() == [(1, 1_000_000)]


def test_what_ended_beyond_the_start_is_not_handed_out_again() -> None:
    offsets = OffsetTracker(3, [(4, 6), (8, 9)])

    assert fetched(offsets, 3, 4, 5, 6, 7, 8, 9) == [3, 6, 7, 9]


def test_a_record_fetched_before_the_position_is_refused() -> None:
    offsets = OffsetTracker(3)
    fetched(offsets, 3, 4)

    with pytest.raises(ValueError, match="offset 4 was fetched before position 5"):
        fetched(offsets, 4)


def test_a_record_ends_once() -> None:
    offsets = OffsetTracker(0)
    fetched(offsets, 0, 1)
    offsets.mark_ended(1)

    with pytest.raises(KeyError):
        offsets.mark_ended(1)


@given(
    holes=st.sets(st.integers(0, 60)),
    ends=st.lists(st.integers(0, 60), unique=True),
    chunk=st.integers(1, 20),
    together=st.integers(1, 9),
)
@SMALL
def test_waiting_and_its_bytes_are_those_of_what_was_fetched_and_has_not_ended(
    holes: set[int], ends: list[int], chunk: int, together: int
) -> None:
    offsets, one_by_one = OffsetTracker(0), OffsetTracker(0)
    log = [offset for offset in range(61) if offset not in holes]
    for at in range(0, len(log), chunk):
        for each in (offsets, one_by_one):
            each.track((offset, offset) for offset in log[at : at + chunk])
    ended = [offset for offset in ends if offset in log]
    for at in range(0, len(ended), together):
        offsets.mark_ended(*ended[at : at + together])
    for offset in ended:
        one_by_one.mark_ended(offset)
    left = {*log}.difference(ended)

    assert offsets.waiting == len(left)
    assert offsets.waiting_bytes == sum(left)
    assert offsets.watermark == min(left, default=offsets.position)
    assert offsets.runs() == one_by_one.runs()


class Life(RuleBasedStateMachine):
    """One partition over several assignments, and what Kafka and the destination know of it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.stored = (0, "")
        self.epochs = itertools.count(1)
        self.skippable: set[int] = set()
        self.assign()

    def assign(self) -> None:
        offset, text = self.stored
        known = decode(text, offset, CLUSTER)
        self.start = known or Progress(offset, epoch=next(self.epochs))
        self.partition = Partition(TP("events", 0), self.start, LIMIT, lambda _changed: None)
        self.working: dict[int, int] = {}
        self.ended: set[int] = set()
        self.skipped: set[int] = set()
        # All that ended and was committed with this text; nothing may be skipped beyond it.
        self.skippable = {
            at for first, end in self.start.ended for at in range(first, end) if known
        }

    @rule(count=st.integers(1, 8), gaps=st.lists(st.integers(0, 3), min_size=8, max_size=8))
    def fetch(self, count: int, gaps: list[int]) -> None:
        position = self.partition.offsets.position
        ahead = [offset for offset in self.log if offset >= position][:count]
        for gap in gaps[: count - len(ahead)]:
            ahead.append(max(position, self.log[-1] + 1 if self.log else 0) + gap)
            self.log.append(ahead[-1])
        todo = self.partition.track((offset, offset % 50) for offset in ahead)

        assert todo == [offset for offset in ahead if offset not in self.skippable]
        self.working |= {offset: offset % 50 for offset in todo}
        self.skipped |= set(ahead) - set(todo)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        some = st.sampled_from(sorted(self.working))
        together = data.draw(st.lists(some, min_size=1, max_size=4, unique=True))
        self.partition.mark_ended(*together)
        for offset in together:
            del self.working[offset]
        self.ended.update(together)

    @rule(accepted=st.booleans())
    def commit(self, accepted: bool) -> None:
        progress = self.partition.progress
        text = encode(progress, CLUSTER)

        assert len(text) <= 4096
        assert decode(text, progress.offset, CLUSTER) == progress
        if accepted:
            self.stored = (progress.offset, text)
            self.partition.committed = progress

    @rule()
    def revoke_and_assign_again(self) -> None:
        self.partition.closed = True
        self.assign()

    @rule(data=st.data(), keep_text=st.booleans())
    def move_by_hand(self, data: st.DataObject, keep_text: bool) -> None:
        offset, text = self.stored
        moved = data.draw(st.integers(0, (self.log or [0])[-1] + 1).filter(lambda at: at != offset))
        self.stored = (moved, text if keep_text else "")
        epoch = self.partition.epoch
        self.assign()

        assert self.partition.offsets.position == moved
        assert not self.start.ended
        assert self.partition.epoch > epoch
        # A takeover commits where it begins; else a move back with the old text were none at all.
        self.stored = (moved, encode(self.start, CLUSTER))

    @invariant()
    def the_watermark_never_passes_what_has_not_ended(self) -> None:
        done = self.ended | self.skipped
        watermark = self.partition.offsets.watermark
        passed = {offset for offset in self.log if self.start.offset <= offset < watermark}

        assert passed <= done
        assert watermark >= self.start.offset

    @invariant()
    def runs_name_only_what_ended_beyond_the_watermark(self) -> None:
        progress = self.partition.progress
        beyond = {at for first, end in progress.ended for at in range(first, end)}

        assert beyond & set(self.log) <= self.ended | self.skippable
        assert beyond >= {at for at in self.ended if at >= progress.offset}
        assert all(first < end for first, end in progress.ended)
        assert list(progress.ended) == sorted(progress.ended)

    @invariant()
    def what_waits_is_what_was_handed_out_and_has_not_ended(self) -> None:
        assert self.partition.offsets.waiting == len(self.working)
        assert self.partition.offsets.waiting_bytes == sum(self.working.values())

    @invariant()
    def full_and_drained_are_never_both_and_follow_the_limits(self) -> None:
        records, size = len(self.working), sum(self.working.values())

        assert self.partition.is_full == (records >= LIMIT.records or size >= LIMIT.size)
        assert self.partition.has_room == (records < LIMIT.records / 2 and size < LIMIT.size / 2)


Life.TestCase.settings = STEPS
TestLifeOfAPartition = Life.TestCase
