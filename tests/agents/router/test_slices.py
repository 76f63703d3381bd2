"""What is mapped together is bounded in messages and bytes, because parsed it takes more."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.router.processor import slices
from tests.streams.records import source

_SIZES = st.sampled_from([0, 1, 1_000, 300_000, 1_048_576, 3_000_000])


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(_SIZES, max_size=130))
def test_slices_hold_all_messages_in_order_and_no_more_than_fits(sizes: list[int]) -> None:
    records = [source(bytes(size), offset) for offset, size in enumerate(sizes)]
    cut = list(slices(records))

    assert [each for part in cut for each in part] == records
    for part in cut:
        assert len(part) <= 50
        assert len(part) == 1 or sum(len(each.value) for each in part) <= 1_048_576
