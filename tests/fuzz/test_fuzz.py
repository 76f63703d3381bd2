"""The short form of `make fuzz`: a few seeds, always the same."""

import asyncio

import pytest

from tests.fuzz import budget, receiver, router


@pytest.mark.parametrize("seed", range(40))
def test_no_hostile_message_ends_stalls_or_bloats_the_router(seed: int) -> None:
    with budget.like_a_worker():
        _, wrong = asyncio.run(router.attack(seed))
    assert wrong == []


@pytest.mark.parametrize("seed", range(6))
def test_no_hostile_post_ends_or_stalls_the_receiver(seed: int) -> None:
    with budget.like_a_worker():
        _, wrong = asyncio.run(receiver.attack(seed))
    assert wrong == []
