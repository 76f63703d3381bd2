"""The simulated Sailthru under Sailthru's own Python client, which knows nothing of us.

The client waits for each answer, so it calls from a thread of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from sailthru.sailthru_client import SailthruClient
from sailthru.sailthru_response import SailthruResponse

from tests.sandbox.sailthru_account import KEY, SECRET, Account, account

ANN, NEW = "ann@shop.example", "ann.new@shop.example"
SCARF = {
    "id": "SKU-1",
    "title": "Écharpe",
    "price": 4250,
    "qty": 2,
    "url": "https://shop.example/p/SKU-1",
}
T = TypeVar("T")


class Caller:
    def __init__(self, url: str, secret: str = SECRET) -> None:
        self._client = SailthruClient(KEY, secret, api_url=url)

    async def ask(self, call: Callable[..., SailthruResponse], *given: Any, **named: Any) -> Any:
        """The body of a successful answer."""
        answer = await self.answer(call, *given, **named)
        assert answer.is_ok(), answer.get_body()
        return answer.get_body()

    async def error(self, call: Callable[..., SailthruResponse], *given: Any) -> tuple[int, int]:
        """Status and code of a refusal."""
        answer = await self.answer(call, *given)
        error = answer.get_error()
        assert error
        return answer.get_status_code(), error.get_error_code()

    @staticmethod
    async def answer(
        call: Callable[..., SailthruResponse], *given: Any, **named: Any
    ) -> SailthruResponse:
        return await asyncio.to_thread(call, *given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


@pytest.fixture
def client(plain: Account) -> Caller:
    return Caller(plain.url)


async def test_a_user_is_made_and_read(plain: Account, client: Caller) -> None:
    values = {"vars": {"prénom": "Zoë", "sizes": ["M", "L"], "age": 42, "gone": None}}
    assert await client.ask(client.save_user, ANN, values) == {"ok": True}
    shown = await client.ask(client.get_user, ANN, {"fields": {"vars": 1, "keys": 1}})
    assert shown["vars"] == values["vars"]
    assert shown["keys"]["email"] == ANN


async def test_lists_are_made_joined_and_left(plain: Account, client: Caller) -> None:
    made = await client.ask(client.api_post, "list", {"list": "Buyers", "primary": 0})
    assert made["type"] == "natural"
    await client.ask(client.save_user, ANN, {"lists": {"Buyers": 1}})
    assert (await client.ask(client.get_list, "Buyers"))["count"] == 1
    await client.ask(client.save_user, ANN, {"lists": {"Buyers": 0}})
    [shown] = (await client.ask(client.get_lists))["lists"]
    assert (shown["list"], shown["count"]) == ("Buyers", 0)
    await client.ask(client.delete_list, "Buyers")
    assert await client.error(client.get_list, "Buyers") == (404, 15)


async def test_an_event_happens_and_a_reserved_one_is_refused(
    plain: Account, client: Caller
) -> None:
    event = {"id": ANN, "event": "viewed", "vars": {"products": [{"id": 1}]}}
    await client.ask(client.api_post, "event", event)
    [profile] = await plain.profiles()
    assert profile["events"] == [{"event": "viewed", "vars": event["vars"]}]
    assert await client.error(client.api_post, "event", event | {"event": "open"}) == (400, 99)


async def test_an_address_changes_and_the_profile_stays(plain: Account, client: Caller) -> None:
    await client.ask(client.save_user, ANN, {"vars": {"tier": "gold"}})
    await client.ask(client.save_user, ANN, {"keys": {"email": NEW}, "keysconflict": "merge"})
    assert (await client.ask(client.get_user, NEW))["vars"] == {"tier": "gold"}
    assert await client.error(client.get_user, ANN) == (400, 99)


async def test_a_user_is_deleted(plain: Account, client: Caller) -> None:
    await client.ask(client.save_user, ANN)
    await client.ask(client.api_delete, "user", {"id": ANN})
    assert await plain.profiles() == []


async def test_a_wrong_secret_is_refused(plain: Account) -> None:
    stranger = Caller(plain.url, "another-secret")
    assert await stranger.error(stranger.save_user, ANN) == (401, 5)
    assert await plain.profiles() == []


async def test_a_purchase_is_recorded_and_read_by_either_id(plain: Account, client: Caller) -> None:
    options = {"date": "2026-01-01 10:00:00 Europe/Paris", "vars": {"channel": "app"}}
    bought = await client.ask(
        client.purchase, ANN, [SCARF], message_id="23423.231", options=options, extid="T-1"
    )
    purchase = bought["purchase"]
    assert (purchase["price"], purchase["qty"]) == (8500, 2)
    assert purchase["time"] == "Thu, 01 Jan 2026 09:00:00 +0000"
    assert await client.ask(client.get_purchase, purchase["unique_id"]) == purchase
    assert await client.ask(client.get_purchase, "T-1", "extid") == purchase
    assert await client.error(client.get_purchase, "T-2", "extid") == (404, 99)
    [profile] = await plain.profiles()
    assert profile["purchases"] == [purchase]


async def test_a_cart_is_there_until_something_is_bought(plain: Account, client: Caller) -> None:
    await client.ask(client.purchase, ANN, [SCARF], incomplete=1)
    [profile] = await plain.profiles()
    assert profile["purchase_incomplete"]["items"] == [SCARF]
    assert "purchases" not in profile
    await client.ask(client.purchase, ANN, [SCARF])
    [profile] = await plain.profiles()
    assert "purchase_incomplete" not in profile
    assert len(profile["purchases"]) == 1


async def test_a_job_takes_a_file(client: Caller, tmp_path: Any) -> None:
    lines = tmp_path / "update.json"
    lines.write_text('{"id":"ann@shop.example","vars":{"tier":"gold"}}\n')
    job = {"job": "update", "file": str(lines)}
    told = await client.ask(client.api_post, "job", job, binary_data_param=["file"])
    assert told["status"] == "pending"


async def test_the_client_reads_the_limits_that_are_announced(client: Caller) -> None:
    await client.ask(client.save_user, ANN)
    limits = client.get_last_rate_limit_info("user", "POST")
    assert (limits["limit"], limits["remaining"]) == (18_000, 17_999)
