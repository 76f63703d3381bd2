"""The simulated Sailthru: lists, made by name or on the fly, and twice when raced for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.sandbox.clock import Clock
from tests.sandbox.sailthru_account import Account, account

ANN, BEA = "ann@shop.example", "bea@shop.example"


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account(clock=Clock()) as running_account:
        yield running_account


class Meeting:
    """A sleep that ends when so many have fallen asleep: a race that is certain."""

    def __init__(self, parties: int) -> None:
        self._missing = parties
        self._complete = asyncio.Event()

    async def __call__(self, _: float) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._complete.set()
        await self._complete.wait()


async def test_joining_keeps_the_first_date_and_leaving_ends_it() -> None:
    clock = Clock()
    async with account(clock=clock) as called:
        await called.post_user(id=ANN, lists={"Buyers": 1, "Readers": 1})
        clock.now += 100
        await called.post_user(id=ANN, lists={"Buyers": 1, "Readers": 0, "Never": 0})
        assert (await called.profiles())[0]["lists"] == {"Buyers": 1_767_225_600}
        assert [(each["list"], each["count"]) for each in await called.lists()] == [
            ("Buyers", 1),
            ("Readers", 0),
        ]
        await called.post_user(id=ANN, lists={"Readers": 1})
        assert (await called.profiles())[0]["lists"]["Readers"] == 1_767_225_700


async def test_an_unknown_list_is_made_on_the_fly_and_used_again(plain: Account) -> None:
    for email in (ANN, BEA):
        await plain.post_user(id=email, lists={"Buyers": 1})
    [made] = await plain.lists()
    assert made == {
        "list_id": made["list_id"],
        "list": "Buyers",
        "count": 2,
        "type": "normal",
        "primary": 0,
    }


async def test_requests_that_race_make_lists_of_the_same_name() -> None:
    async with account(sleep=Meeting(3)) as called:
        await asyncio.gather(
            called.post_user(id=ANN, lists={"Buyers": 1}),
            called.post_user(id=BEA, lists={"Buyers": 1}),
            called.call("POST", "list", list="Buyers"),
        )
        assert sorted((each["list"], each["count"]) for each in await called.lists()) == [
            ("Buyers", 0),
            ("Buyers", 1),
            ("Buyers", 1),
        ]
        assert [list(each["lists"]) for each in await called.profiles()] == [["Buyers"]] * 2
        await called.post_user(id=ANN, lists={"Buyers": 0})
        assert sum(each["count"] for each in await called.lists()) == 1


async def test_a_list_made_before_the_race_stays_the_only_one() -> None:
    async with account(sleep=Meeting(1)) as called:
        await called.call("POST", "list", list="Buyers")
        await asyncio.gather(
            *(called.post_user(id=email, lists={"Buyers": 1}) for email in (ANN, BEA))
        )
        assert [each["count"] for each in await called.lists()] == [2]


async def test_a_refused_user_makes_no_list(plain: Account) -> None:
    assert (await plain.post_user(id="ann", lists={"Buyers": 1})).refusal == (400, 11)
    assert await plain.lists() == []


async def test_post_makes_and_get_shows_a_list_as_recorded(plain: Account) -> None:
    made = (await plain.call("POST", "list", list="Test Group 1")).body
    assert made == {"list": "Test Group 1", "type": "natural", "list_id": made["list_id"]}
    for by in ({"list": "Test Group 1"}, {"list_id": made["list_id"]}):
        assert (await plain.call("GET", "list", **by)).body == {
            "list_id": made["list_id"],
            "list": "Test Group 1",
            "create_time": "Thu, 01 Jan 2026 00:00:00 +0000",
            "send_time": None,
            "count": 0,
            "type": "normal",
            "primary": False,
        }


async def test_post_of_a_known_name_changes_that_list(plain: Account) -> None:
    made = (await plain.call("POST", "list", list="Buyers", vars={"a": 1})).body
    changes = {"primary": 1, "public_name": "Our buyers", "vars": {"b": 2}}
    changed = (await plain.call("POST", "list", list="Buyers", **changes)).body
    assert changed["list_id"] == made["list_id"]
    [kept] = await plain.lists()
    assert (kept["primary"], kept["public_name"]) == (1, "Our buyers")
    shown = (await plain.call("GET", "list", list="Buyers", fields={"vars": 1})).body
    assert shown["vars"] == {"a": 1, "b": 2}


async def test_get_without_a_name_shows_all_or_the_primary_ones(plain: Account) -> None:
    await plain.call("POST", "list", list="Buyers", primary=1)
    await plain.call("POST", "list", list="Readers")
    for arguments, names in (({}, ["Buyers", "Readers"]), ({"primary": 1}, ["Buyers"])):
        shown = (await plain.call("GET", "list", **arguments)).body["lists"]
        assert [each["list"] for each in shown] == names
    settings = (await plain.call("GET", "settings")).body
    assert settings["primary_lists"] == ["Buyers"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_list_is_error_15(plain: Account, method: str) -> None:
    answer = await plain.call(method, "list", list="Test Group 1")
    assert answer.refusal == (404, 15)
    assert answer.body["errormsg"] == "Unknown list: Test Group 1"


async def test_delete_takes_the_list_from_everyone(plain: Account) -> None:
    await plain.post_user(id=ANN, lists={"Buyers": 1, "Readers": 1})
    assert (await plain.call("DELETE", "list", list="Buyers")).status == 200
    assert [each["list"] for each in await plain.lists()] == ["Readers"]
    assert list((await plain.profiles())[0]["lists"]) == ["Readers"]


@pytest.mark.parametrize(
    ("method", "arguments", "refusal"),
    [
        ("POST", {}, (400, 2)),
        ("DELETE", {}, (400, 2)),
        ("POST", {"list": "Buyers", "type": "clever"}, (400, 99)),
        ("POST", {"list": "Buyers", "query": {"city": "Nice"}}, (400, 99)),
        ("POST", {"list": "Buyers", "primary": 2}, (400, 99)),
        ("POST", {"list": "Buyers", "vars": 1}, (400, 99)),
        ("POST", {"list": "Spends $100"}, (400, 99)),
    ],
)
async def test_bad_arguments_of_a_list_are_refused(
    plain: Account, method: str, arguments: dict[str, object], refusal: tuple[int, int]
) -> None:
    assert (await plain.call(method, "list", **arguments)).refusal == refusal
    assert await plain.lists() == []


async def test_a_dollar_in_a_list_name_may_be_taken_instead() -> None:
    async with account(dollar_in_list_name="keep") as called:
        await called.post_user(id=ANN, lists={"Spends $100": 1})
        assert [each["list"] for each in await called.lists()] == ["Spends $100"]


async def test_names_that_differ_in_case_only_may_be_one_lists() -> None:
    async with account(list_name_case="ignored") as called:
        await called.post_user(id=ANN, lists={"VIP": 1})
        await called.post_user(id=ANN, lists={"vip": 1})
        assert [(each["list"], each["count"]) for each in await called.lists()] == [("VIP", 1)]
        await called.post_user(id=ANN, lists={"Vip": 0})
        assert (await called.profiles())[0]["lists"] == {}
