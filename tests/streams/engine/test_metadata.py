"""The text beside a committed offset: what comes back is what was written, or nothing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.commit_metadata import MAX_LENGTH, Progress, Sight, decode, encode
from tests.streams.properties import SMALL
from tests.streams.records import CLUSTER

OFFSETS = st.integers(0, 2**63 - 1)


@st.composite
def progresses(draw: st.DrawFn, most_runs: int = 40) -> Progress:
    """Runs as a tracker makes them: in order, apart from each other, perhaps at the offset."""
    offset = draw(OFFSETS)
    # The first run may touch the watermark; between two runs something has not ended.
    gaps = st.tuples(st.integers(1, 2**40), st.integers(1, 2**40))
    at, runs = offset, []
    for gap, length in draw(st.lists(gaps, max_size=most_runs)):
        runs.append((at + gap, at + gap + length))
        at += gap + length
    sight = Sight(*(draw(OFFSETS) for _ in Sight.__annotations__))
    return Progress(offset, tuple(runs), draw(st.integers(0, 2**53)), sight)


@given(progresses())
@SMALL
def test_what_fits_is_read_back_exactly(progress: Progress) -> None:
    text = encode(progress, CLUSTER)

    assert len(text) <= MAX_LENGTH
    assert decode(text, progress.offset, CLUSTER) == progress


@given(OFFSETS, st.integers(0, 6_000), st.sampled_from([1, 127, 128, 70_000]))
@SMALL
def test_what_does_not_fit_loses_its_last_runs_only(offset: int, count: int, gap: int) -> None:
    step = gap + 1
    runs = tuple((offset + n * step + gap, offset + (n + 1) * step) for n in range(count))
    text = encode(Progress(offset, runs), CLUSTER)
    back = decode(text, offset, CLUSTER)

    assert len(text) <= MAX_LENGTH
    assert back is not None
    assert back.ended == runs[: len(back.ended)]
    assert len(back.ended) == count or len(text) > MAX_LENGTH - 12


def test_a_thousand_single_holes_fit() -> None:
    runs = tuple((n * 100 + 1, n * 100 + 2) for n in range(1_000))
    progress = Progress(0, runs, epoch=1_767_225_600_000)

    assert decode(encode(progress, CLUSTER), 0, CLUSTER) == progress


@given(progresses(), OFFSETS)
@SMALL
def test_a_text_beside_another_offset_says_nothing(progress: Progress, other: int) -> None:
    text = encode(progress, CLUSTER)

    assert (decode(text, other, CLUSTER) is None) == (other != progress.offset)


@given(progresses(), st.text("abcXYZ019-_", max_size=30))
@SMALL
def test_a_text_of_another_cluster_says_nothing(progress: Progress, other: str) -> None:
    assert decode(encode(progress, CLUSTER), progress.offset, other) is None


GARBAGE = {
    "nothing": "",
    "a word": "reset",
    "bars": "||||",
    "another version": f"1|{CLUSTER}|7|0|0.0.0|",
    "no epoch": f"2|{CLUSTER}|7||0.0.0|",
    "an epoch below zero": f"2|{CLUSTER}|7|-1|0.0.0|",
    "an epoch that is no number": f"1|{CLUSTER}|7|²|0.0.0|",
    "no sight": f"2|{CLUSTER}|7|0||",
    "half a sight": f"2|{CLUSTER}|7|0|0.0|",
    "a sight that is no number": f"2|{CLUSTER}|7|0|0.².0|",
    "more than a sight": f"2|{CLUSTER}|7|0|0.0.0.x|",
    "a part too many": f"2|{CLUSTER}|7|0|0.0.0||",
    "an offset written otherwise": f"2|{CLUSTER}|07|0|0.0.0|",
    "no base64": f"2|{CLUSTER}|7|0|0.0.0|*",
    "base64 without its end": f"2|{CLUSTER}|7|0|0.0.0|AQ",
    "text beyond ASCII": f"2|{CLUSTER}|7|0|0.0.0|é",
    "half a run": f"2|{CLUSTER}|7|0|0.0.0|{base64.b64encode(bytes([1])).decode()}",
    "a cut number": f"2|{CLUSTER}|7|0|0.0.0|{base64.b64encode(bytes([1, 0x80])).decode()}",
    "JSON": '{"offset": 7, "ended": []}',
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_text_that_is_not_ours_says_nothing(text: str) -> None:
    assert decode(text, 7, CLUSTER) is None


@given(st.text(max_size=MAX_LENGTH))
@SMALL
def test_no_text_makes_reading_raise(text: str) -> None:
    assert decode(text, 7, CLUSTER) is None


@given(st.text(max_size=300), st.text(max_size=300))
@SMALL
def test_no_epoch_and_no_runs_behind_a_right_head_make_reading_raise(epoch: str, runs: str) -> None:
    progress = decode(f"1|{CLUSTER}|7|{epoch}|{runs}", 7, CLUSTER)

    assert progress is None or progress.offset == 7


@given(st.binary(max_size=300))
@SMALL
def test_any_bytes_as_runs_are_read_as_whole_runs_or_not_at_all(body: bytes) -> None:
    progress = decode(f"1|{CLUSTER}|7|3|{base64.b64encode(body).decode()}", 7, CLUSTER)

    if progress is not None:
        assert (progress.offset, progress.epoch) == (7, 3)
        assert all(7 <= first <= end for first, end in progress.ended)
