"""The simulated Sailthru: events."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.sailthru_account import Account, account

ANN, NEW = "ann@shop.example", "ann.new@shop.example"


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


async def test_events_stay_in_order_with_their_vars_and_leave_the_profile_alone(
    plain: Account,
) -> None:
    await plain.post_user(id=ANN, keys={"extid": "17"}, vars={"City": "Nice"})
    assert (await plain.post_event(id=ANN, event="viewed", vars={"City": "x"})).body == {"ok": True}
    await plain.post_event(id="17", key="extid", event="mp_session_end")
    [profile] = await plain.profiles()
    assert profile["vars"] == {"City": "Nice"}
    assert profile["events"] == [
        {"event": "viewed", "vars": {"City": "x"}},
        {"event": "mp_session_end", "vars": {}},
    ]


@pytest.mark.parametrize(
    "name", ["send", "cancel", "open", "click", "purchase", "daily", "Purchase", " open", "DAILY "]
)
async def test_reserved_event_names_are_refused(plain: Account, name: str) -> None:
    assert (await plain.post_event(id=ANN, event=name)).refusal == (400, 99)
    assert await plain.profiles() == []


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"event": "viewed"}, (400, 2)),
        ({"id": ANN}, (400, 2)),
        ({"id": "ann", "event": "viewed"}, (400, 11)),
        ({"id": ANN, "event": "viewed", "vars": "x"}, (400, 99)),
        ({"id": "0" * 24, "key": "sid", "event": "viewed"}, (400, 99)),
    ],
)
async def test_an_event_needs_a_user_and_a_name(
    plain: Account, arguments: dict[str, object], refusal: tuple[int, int]
) -> None:
    assert (await plain.post_event(**arguments)).refusal == refusal


@pytest.mark.parametrize(("choice", "status", "known"), [("create", 200, 1), ("refuse", 400, 0)])
async def test_an_event_of_an_unknown_user_makes_a_profile_or_is_refused(
    choice: str, status: int, known: int
) -> None:
    async with account(unknown_event_user=choice) as called:
        assert (await called.post_event(id=ANN, event="viewed")).status == status
        assert len(await called.profiles()) == known


@pytest.mark.parametrize(("choice", "name"), [("keep", "$unit price"), ("clean", "unit_price")])
async def test_event_var_names_are_kept_or_cleaned(choice: str, name: str) -> None:
    async with account(event_var_names=choice) as called:
        await called.post_event(id=ANN, event="viewed", vars={"$unit price": 3})
        assert (await called.profiles())[0]["events"] == [{"event": "viewed", "vars": {name: 3}}]
