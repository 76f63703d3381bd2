"""The simulated Sailthru: keys that find a profile, their change and the merge."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.clock import Clock
from tests.sandbox.sailthru_account import Account, account

ANN, NEW = "ann@shop.example", "ann.new@shop.example"


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


async def test_an_email_address_is_lower_cased(plain: Account) -> None:
    await plain.post_user(id="Ann@Shop.Example", vars={"a": 1})
    await plain.post_user(id=ANN, keys={"email": "ANN@shop.example"}, vars={"b": 2})
    [profile] = await plain.profiles()
    assert profile["keys"] == {"email": ANN}
    assert profile["vars"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "email", ["ann", "ann@shop", "@shop.example", "a b@shop.example", "a@b@c.d"]
)
@pytest.mark.parametrize("place", ["id", "keys"])
async def test_an_invalid_email_address_is_error_11(plain: Account, email: str, place: str) -> None:
    arguments = {"id": email} if place == "id" else {"id": ANN, "keys": {"email": email}}
    assert (await plain.post_user(**arguments)).refusal == (400, 11)
    assert await plain.profiles() == []


async def test_a_key_has_to_be_enabled_for_the_account() -> None:
    async with account(enabled_keys=frozenset({"email"})) as called:
        assert (await called.post_user(id="17", key="extid")).refusal == (400, 99)
        assert (await called.post_user(id=ANN, keys={"extid": "17"})).refusal == (400, 99)
        assert (await called.post_user(id=ANN)).status == 200


@pytest.mark.parametrize(("choice", "status"), [("create", 200), ("refuse", 400)])
async def test_a_profile_without_email_may_be_refused(choice: str, status: int) -> None:
    async with account(profile_without_email=choice) as called:
        assert (await called.post_user(id="17", key="extid")).status == status
        assert (await called.post_user(id="18", key="extid", keys={"email": ANN})).status == 200


async def test_fields_give_keys_back_and_each_of_them_finds_the_profile(plain: Account) -> None:
    answer = await plain.post_user(
        id=ANN, keys={"extid": 17, "sms": "+15550100"}, fields={"keys": 1}
    )
    keys = answer.body["keys"]
    assert keys.keys() == {"sid", "cookie", "email", "extid", "sms"}
    assert keys["extid"] == "17"
    for kind, value in keys.items():
        await plain.post_user(id=value, key=kind, vars={f"by_{kind}": value})
    [profile] = await plain.profiles()
    assert profile["vars"] == {f"by_{kind}": value for kind, value in keys.items()}


async def test_a_new_email_keeps_profile_and_history(plain: Account) -> None:
    given = {"id": ANN, "vars": {"City": "Nice"}, "lists": {"Buyers": 1}, "fields": {"keys": 1}}
    before = (await plain.post_user(**given)).body["keys"]
    await plain.post_event(id=ANN, event="viewed")
    [old] = await plain.profiles()
    change = {"keys": {"email": NEW}, "keysconflict": "merge", "fields": {"keys": 1}}
    after = (await plain.post_user(id=ANN, **change)).body["keys"]
    [new] = await plain.profiles()
    assert new == old | {"keys": {"email": NEW}}
    assert after["sid"] == before["sid"]
    assert after["cookie"] != before["cookie"]
    assert after["cookie"][:56] == before["cookie"][:56]
    assert (await plain.call("GET", "user", id=ANN)).refusal == (400, 99)


async def test_a_taken_key_merges_the_other_profile_into_the_changed_one() -> None:
    clock = Clock()
    async with account(clock=clock) as called:
        other = {"vars": {"City": "Lyon", "Pet": "cat"}, "lists": {"Old": 1, "Both": 1}}
        await called.post_user(id=NEW, keys={"extid": "17"}, optout_email="basic", **other)
        await called.post_event(id=NEW, event="first")
        clock.now += 100
        await called.post_user(id=ANN, vars={"City": "Nice"}, lists={"Both": 1, "New": 1})
        await called.post_event(id=ANN, event="second")
        await called.post_event(id=NEW, event="third", vars={"n": 3})
        changed = next(each for each in await called.profiles() if each["keys"]["email"] == ANN)
        await called.post_user(id=ANN, keys={"email": NEW}, keysconflict="merge")
        [merged] = await called.profiles()
        assert merged == {
            "sid": changed["sid"],
            "keys": {"email": NEW, "extid": "17"},
            "vars": {"City": "Nice", "Pet": "cat"},
            "lists": {"Old": 1_767_225_600, "Both": 1_767_225_700, "New": 1_767_225_700},
            "events": [
                {"event": "first", "vars": {}},
                {"event": "second", "vars": {}},
                {"event": "third", "vars": {"n": 3}},
            ],
            "optout": "basic",
        }
        assert {each["list"]: each["count"] for each in await called.lists()} == {
            "Old": 1,
            "Both": 1,
            "New": 1,
        }
        assert (await called.call("GET", "user", id="17", key="extid")).body["keys"]["email"] == NEW


@pytest.mark.parametrize("default", ["merge", "error"])
@pytest.mark.parametrize("said", [None, "merge", "error"])
async def test_a_taken_key_is_a_conflict_unless_merging_is_asked_for(
    default: str, said: str | None
) -> None:
    async with account(keysconflict_default=default) as called:
        await called.post_user(id=ANN)
        await called.post_user(id=NEW)
        before = await called.state()
        conflict = {"keysconflict": said} if said else {}
        answer = await called.post_user(id=ANN, keys={"email": NEW}, vars={"a": 1}, **conflict)
        if (said or default) == "merge":
            assert answer.status == 200
            assert len(await called.profiles()) == 1
        else:
            assert answer.refusal == (409, 99)
            assert await called.state() == before


async def test_a_repeated_change_by_the_old_address_merges_an_empty_profile(plain: Account) -> None:
    await plain.post_user(id=ANN, vars={"City": "Nice"})
    for _ in range(2):
        await plain.post_user(id=ANN, keys={"email": NEW}, keysconflict="merge")
    [profile] = await plain.profiles()
    assert profile["keys"] == {"email": NEW}
    assert profile["vars"] == {"City": "Nice"}
