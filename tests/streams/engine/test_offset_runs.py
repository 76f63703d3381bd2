"""Runs of offsets against a plain set."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.offset_runs import OffsetRuns
from tests.streams.properties import SMALL

_SPANS = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda span: (span[0], sum(span)))
_STEPS = st.lists(st.tuples(st.booleans(), _SPANS), max_size=40)


@given(_STEPS)
@SMALL
def test_runs_hold_what_was_added_and_not_forgotten(
    steps: list[tuple[bool, tuple[int, int]]],
) -> None:
    runs, offsets = OffsetRuns(), set[int]()
    for adds, (first, end) in steps:
        if adds:
            runs.add(first, end)
            offsets |= set(range(first, end))
        else:
            runs.drop_before(first)
            offsets = {offset for offset in offsets if offset >= first}

        assert {offset for offset in range(80) if offset in runs} == offsets
        told = list(runs)
        assert [offset for run in told for offset in range(*run)] == sorted(offsets)
        # Neither empty nor touching, so that there are as few as can be.
        assert all(begin < stop for begin, stop in told)
        assert all(stop < begin for (_, stop), (begin, _) in pairwise(told))
        assert len(runs) == len(told)


def test_a_million_in_a_row_are_one_run_whatever_their_order() -> None:
    runs = OffsetRuns()
    for offset in range(1, 1_000_000, 2):
        runs.add(offset, offset + 1)
        runs.add(offset - 1, offset)

    assert list(runs) == [(0, 1_000_000)]
