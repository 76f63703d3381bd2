"""Packed bodies, without a receiver: what is claimed, and that nothing is guessed."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.receiver.body import unpack
from agents.receiver.memory_budget import Claim, MemoryBudget
from agents.receiver.responses import CUT_OFF, TOO_LARGE, RefusedError
from tests.agents.receiver.served import held

MOST = 1024 * 1024
LEAST = 64 * 1024


@given(
    parts=st.lists(st.binary(max_size=200), min_size=1, max_size=5),
    repeats=st.integers(1, 100),
    level=st.integers(0, 9),
)
def test_whatever_was_packed_in_members_is_unpacked(
    parts: list[bytes], repeats: int, level: int
) -> None:
    packed = b"".join(gzip.compress(part * repeats, level) for part in parts)
    with Claim(MemoryBudget(10 * MOST), len(packed)) as claim:
        assert unpack(packed, "gzip", claim, MOST) == b"".join(part * repeats for part in parts)


def bare(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


@given(
    form=st.sampled_from([("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare)]),
    text=st.binary(min_size=1, max_size=300),
    data=st.data(),
)
def test_whatever_ends_early_is_never_taken(
    form: tuple[str, Callable[[bytes], bytes]], text: bytes, data: st.DataObject
) -> None:
    coding, pack = form
    before = data.draw(
        st.sampled_from([b"", gzip.compress(b"a member")] if pack is gzip.compress else [b""])
    )
    packed = pack(text)
    cut = before + packed[: data.draw(st.integers(1 if before else 0, len(packed) - 1))]
    with Claim(MemoryBudget(10 * MOST), len(cut)) as claim, pytest.raises(RefusedError) as refused:
        unpack(cut, coding, claim, MOST)
    assert refused.value.refusal is CUT_OFF


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_of_a_bomb_no_more_is_held_than_a_message_may_have(coding: str) -> None:
    bomb = (gzip.compress if coding == "gzip" else zlib.compress)(bytes(200 * MOST))
    room = MemoryBudget(10 * MOST)
    with Claim(room, len(bomb)) as claim:
        with pytest.raises(RefusedError) as refused:
            unpack(bomb, coding, claim, MOST)
        assert held() <= len(bomb) + MOST
    assert refused.value.refusal is TOO_LARGE
    assert held() == 0


def test_members_without_end_are_no_way_to_waste_time() -> None:
    """Nobody packs so; it is kept as it came."""
    empty = gzip.compress(b"") * 100_000
    with Claim(MemoryBudget(10 * MOST), len(empty)) as claim:
        assert unpack(empty, "gzip", claim, MOST) == empty


def test_a_claim_grows_with_what_is_unpacked_and_not_before() -> None:
    small = gzip.compress(b"{}")
    with Claim(MemoryBudget(2 * LEAST), len(small)) as claim:
        assert unpack(small, "gzip", claim, MOST) == b"{}"
        assert held() == LEAST


def test_a_claim_shrinks_to_what_is_held_and_never_below_the_least() -> None:
    with Claim(MemoryBudget(MOST), MOST) as claim:
        claim.shrink(MOST // 2)
        assert held() == MOST // 2
        claim.shrink(MOST)
        assert held() == MOST // 2
        claim.shrink(1)
        assert held() == LEAST
    assert held() == 0
