"""The simulated Sailthru: profiles, their vars and what is shown of them."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.clock import Clock
from tests.sandbox.sailthru_account import Account, account

ANN, NEW = "ann@shop.example", "ann.new@shop.example"


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


async def test_a_post_makes_a_profile_and_changes_it_after(plain: Account) -> None:
    assert (await plain.post_user(id=ANN, vars={"City": "Nice", "Age": 41})).body == {"ok": True}
    await plain.post_user(id=ANN, vars={"City": "Lyon", "Tags": ["a", "b"]})
    [profile] = await plain.profiles()
    assert profile == {
        "sid": profile["sid"],
        "keys": {"email": ANN},
        "vars": {"City": "Lyon", "Age": 41, "Tags": ["a", "b"]},
        "lists": {},
        "events": [],
        "optout": "none",
    }


async def test_null_is_stored_as_null_and_ids_keep_every_digit(plain: Account) -> None:
    values = {"gone": None, "mpid": "-9223372036854775808", "big": 9223372036854775807}
    await plain.post_user(id=ANN, vars=values)
    assert (await plain.profiles())[0]["vars"] == values


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("$FirstName", "FirstName"),
        ("cart.total-%", "carttotal"),
        ("Boca Raton", "Boca_Raton"),
        ("x" * 32, "x" * 32),
        ("x" * 32 + "$", "x" * 32),
        ("~campaign's +name", "campaigns_name"),
        ("größe", "größe"),
        ("Email", "Email"),
    ],
)
async def test_var_names_are_stripped(plain: Account, sent: str, kept: str) -> None:
    await plain.post_user(id=ANN, vars={sent: 1})
    assert (await plain.profiles())[0]["vars"] == {kept: 1}


@pytest.mark.parametrize("name", ["x" * 33, "2nd", "$2nd", "", "$%"])
async def test_a_var_name_too_long_or_without_a_first_letter_is_error_99(
    plain: Account, name: str
) -> None:
    assert (await plain.post_user(id=ANN, vars={name: 1, "good": 1})).refusal == (400, 99)
    assert await plain.profiles() == []


@pytest.mark.parametrize("name", ["email", "$email", "profile", "optout_confirm_url", "if"])
async def test_a_var_name_that_templates_need_themselves_is_error_99(
    plain: Account, name: str
) -> None:
    assert (await plain.post_user(id=ANN, vars={name: 1})).refusal == (400, 99)
    assert await plain.profiles() == []


async def test_a_reserved_var_name_may_be_taken_instead() -> None:
    async with account(reserved_vars="keep") as called:
        await called.post_user(id=ANN, vars={"email": 1})
        assert (await called.profiles())[0]["vars"] == {"email": 1}


async def test_a_leading_digit_may_be_stripped_instead() -> None:
    async with account(leading_digit="strip") as called:
        await called.post_user(id=ANN, vars={"2nd": 1})
        assert (await called.profiles())[0]["vars"] == {"nd": 1}


@pytest.mark.parametrize(
    ("nested_vars", "kept"), [("replace", {"b": 2}), ("merge", {"a": 1, "b": 2})]
)
async def test_an_object_as_var_is_replaced_or_merged(
    nested_vars: str, kept: dict[str, int]
) -> None:
    async with account(nested_vars=nested_vars) as called:
        await called.post_user(id=ANN, vars={"cart": {"a": 1}})
        await called.post_user(id=ANN, vars={"cart": {"b": 2}})
        assert (await called.profiles())[0]["vars"] == {"cart": kept}


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": ANN, "vars": []},
        {"id": ANN, "lists": {"Buyers": 2}},
        {"id": ANN, "keys": {"sid": "1"}},
        {"id": ANN, "keys": {"extid": None}},
        {"id": ANN, "key": "phone"},
        {"id": ANN, "keysconflict": "overwrite"},
        {"id": ANN, "optout_email": "sometimes"},
        {"id": {"email": ANN}},
        {"id": "0" * 24, "key": "sid"},
        {"id": "0" * 88, "key": "cookie"},
    ],
)
async def test_a_bad_argument_is_error_99_and_changes_nothing(
    plain: Account, arguments: dict[str, object]
) -> None:
    assert (await plain.post_user(**arguments)).refusal == (400, 99)
    assert await plain.state() == {"profiles": [], "lists": []}


@pytest.mark.parametrize("arguments", [{}, {"id": ""}, {"id": None}, {"key": "extid"}])
async def test_an_id_is_required(plain: Account, arguments: dict[str, object]) -> None:
    assert (await plain.post_user(**arguments)).refusal == (400, 2)


async def test_opting_out_in_is_applied_and_a_login_is_counted(plain: Account) -> None:
    await plain.post_user(id=ANN, optout_email="all")
    assert (await plain.profiles())[0]["optout"] == "all"
    await plain.post_user(id=ANN, optout_email="none", login={"site": 1})
    [profile] = await plain.profiles()
    assert (profile["optout"], profile["logins"]) == ("none", 1)


async def test_get_shows_a_profile_as_recorded() -> None:
    clock = Clock()
    clock.now = 1_633_218_419.0
    async with account(clock=clock) as called:
        await called.post_user(id=ANN, vars={"first_name": "Ann"})
        shown = (await called.call("GET", "user", id=ANN, fields={"vars": 1, "lists": 1})).body
        assert shown == {"vars": {"first_name": "Ann"}, "lists": None}
        await called.post_user(id=ANN, lists={"Test Group 1": 1})
        shown = (await called.call("GET", "user", id=ANN)).body
        assert shown["lists"] == {"Test Group 1": "Sat, 02 Oct 2021 23:46:59 +0000"}
        assert shown["keys"]["email"] == ANN
        assert shown["optout_email"] == "none"


async def test_an_unknown_user_is_400_on_get_and_404_on_delete(plain: Account) -> None:
    answer = await plain.call("GET", "user", id=ANN)
    assert answer.refusal == (400, 99)
    assert answer.body["errormsg"] == f"User not found with email: {ANN}"
    assert (await plain.call("DELETE", "user", id=ANN)).refusal == (404, 99)


async def test_delete_removes_profile_memberships_and_keys(plain: Account) -> None:
    await plain.post_user(id=ANN, keys={"extid": "17"}, lists={"Buyers": 1})
    assert (await plain.call("DELETE", "user", id="17", key="extid")).body == {"ok": True}
    assert await plain.profiles() == []
    assert (await plain.lists())[0]["count"] == 0
    assert (await plain.call("GET", "user", id=ANN)).refusal == (400, 99)


async def test_state_has_one_order_whatever_the_order_of_arrival() -> None:
    users = [ANN, NEW, "bea@shop.example"]
    shown = []
    for arrival in (users, users[::-1]):
        async with account() as called:
            for email in arrival:
                await called.post_user(id=email, lists={f"List of {email}": 1})
            state = await called.state()
            shown.append(
                ([p["keys"] for p in state["profiles"]], [each["list"] for each in state["lists"]])
            )
    assert shown[0] == shown[1]
