"""The simulated Sailthru: purchases and carts, and what is refused of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.clock import Clock
from tests.sandbox.sailthru_account import Account, account

ANN, NEW = "ann@shop.example", "ann.new@shop.example"
SCARF = {"id": "1", "title": "Scarf", "price": 4250, "qty": 1, "url": "https://shop.example/1"}


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SCARF.items() if key != name}


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"items": [SCARF]}, (400, 2)),
        ({"email": ANN}, (400, 2)),
        ({"email": "ann", "items": [SCARF]}, (400, 11)),
        ({"email": ANN, "items": []}, (400, 99)),
        ({"email": ANN, "items": SCARF}, (400, 99)),
        *(({"email": ANN, "items": [without(name)]}, (400, 2)) for name in SCARF),
        ({"email": ANN, "items": [SCARF | {"price": 42.5}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF | {"price": "4250"}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF | {"qty": 0}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF | {"qty": -1}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF | {"url": "p/1"}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF], "date": "yesterday-ish"}, (400, 18)),
        ({"email": ANN, "items": [SCARF], "date": "2026-01-01 10:00:00 Mars/Base"}, (400, 18)),
        ({"email": ANN, "items": [SCARF], "purchase_keys": {"sid": "1"}}, (400, 99)),
        ({"email": ANN, "items": [SCARF], "adjustments": [{"title": "Sale"}]}, (400, 99)),
        ({"email": ANN, "items": [SCARF], "incomplete": 2}, (400, 99)),
    ],
)
async def test_what_is_no_purchase_is_refused_and_changes_nothing(
    plain: Account, arguments: dict[str, Any], refusal: tuple[int, int]
) -> None:
    assert (await plain.call("POST", "purchase", **arguments)).refusal == refusal
    assert await plain.profiles() == []


async def test_adjustments_count_and_the_clock_is_the_time() -> None:
    clock = Clock()
    async with account(clock=clock) as called:
        sale = [{"title": "Sale", "price": -1000}]
        answer = await called.call("POST", "purchase", email=ANN, items=[SCARF], adjustments=sale)
        assert answer.body["purchase"]["price"] == 3250
        assert answer.body["purchase"]["time"] == "Thu, 01 Jan 2026 00:00:00 +0000"


async def test_an_empty_cart_is_none(plain: Account) -> None:
    await plain.call("POST", "purchase", email=ANN, items=[SCARF], incomplete=1)
    await plain.call("POST", "purchase", email=ANN, items=[], incomplete=1)
    [profile] = await plain.profiles()
    assert "purchase_incomplete" not in profile


async def test_merged_profiles_have_the_purchases_of_both(plain: Account) -> None:
    await plain.call("POST", "purchase", email=NEW, items=[SCARF])
    await plain.call("POST", "purchase", email=ANN, items=[SCARF])
    await plain.post_user(id=ANN, keys={"email": NEW}, keysconflict="merge")
    [profile] = await plain.profiles()
    assert len(profile["purchases"]) == 2


@pytest.mark.parametrize(("choice", "status", "there"), [("take", 200, 2), ("refuse", 409, 1)])
async def test_a_purchase_that_comes_again_is_there_twice_or_refused(
    choice: str, status: int, there: int
) -> None:
    async with account(repeated_purchase=choice) as called:
        for expected in (200, status):
            answer = await called.call(
                "POST", "purchase", email=ANN, items=[SCARF], purchase_keys={"extid": "T-1"}
            )
            assert answer.status == expected
        assert len((await called.profiles())[0]["purchases"]) == there


@pytest.mark.parametrize(("choice", "status"), [("create", 200), ("refuse", 400)])
async def test_who_is_not_known_yet_may_buy_or_is_refused(choice: str, status: int) -> None:
    async with account(unknown_buyer=choice) as called:
        answer = await called.call("POST", "purchase", email=ANN, items=[SCARF])
        assert answer.status == status
