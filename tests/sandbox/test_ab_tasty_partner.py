"""The simulated AB Tasty as an mParticle partner: messages about audiences and their answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.faults import Answer
from tests.sandbox.ab_tasty_account import Account, stranger
from tests.sandbox.clock import Clock

ANN, BEA = "8140027735519024411", "-2209915380047716602"
IDENTIFIER = "5d0c6f0e-4b7a-4c53-9c1e-0a6f2b9d7e11"


def message(kind: str, **fields: object) -> dict[str, Any]:
    return {
        "type": kind,
        "id": IDENTIFIER,
        "timestamp_ms": 1_767_225_600_000,
        "firehose_version": "3.1.0",
        "account": {"account_id": 4242, "account_settings": {"apiKey": "sandbox-key"}},
        **fields,
    }


def subscription(action: str, name: str = "Lapsed buyers") -> dict[str, Any]:
    return message(
        "audience_subscription_request", audience_id=31001, audience_name=name, action=action
    )


def membership(*changes: tuple[str | int, int, str]) -> dict[str, Any]:
    profiles = [
        {"mpid": mpid, "audiences": [{"audience_id": audience, "action": action}]}
        for mpid, audience, action in changes
    ]
    return message("audience_membership_change_request", user_profiles=profiles)


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with stranger(clock=Clock()) as running_account:
        yield running_account


async def test_a_subscription_is_answered_in_kind(plain: Account) -> None:
    assert await plain.send("POST", "/", subscription("add")) == (
        200,
        {
            "type": "audience_subscription_response",
            "id": IDENTIFIER,
            "timestamp_ms": 1_767_225_600_000,
            "firehose_version": "3.1.0",
        },
    )


async def test_a_membership_change_is_answered_in_kind(plain: Account) -> None:
    assert await plain.send("POST", "/", membership((ANN, 31001, "add"))) == (
        200,
        {
            "type": "audience_membership_change_response",
            "id": IDENTIFIER,
            "timestamp_ms": 1_767_225_600_000,
            "firehose_version": "3.1.0",
            "suspend_subscription": False,
        },
    )


async def test_an_audience_is_connected_updated_and_disconnected(plain: Account) -> None:
    for action, name, state in [
        ("add", "Lapsed buyers", "connected"),
        ("update", "Lost buyers", "updated"),
        ("remove", "Lost buyers", "disconnected"),
    ]:
        assert (await plain.send("POST", "/", subscription(action, name)))[0] == 200
        assert (await plain.state())["audiences"] == {"31001": {"name": name, "state": state}}


async def test_users_join_and_leave_by_mpid_digit_by_digit(plain: Account) -> None:
    changes = membership(
        (ANN, 31001, "add"), (BEA, 31001, "add"), (ANN, 31002, "delete"), (17, 31001, "add")
    )
    await plain.send("POST", "/", changes)
    await plain.send("POST", "/", membership((ANN, 31001, "delete"), (BEA, 1, "attribute_update")))
    assert (await plain.state())["memberships"] == {
        ANN: {"31001": "left", "31002": "left"},
        BEA: {"31001": "joined"},
        "17": {"31001": "joined"},
    }


@pytest.mark.parametrize("profiles", [{}, {"user_profiles": None}, {"user_profiles": [{}]}])
async def test_a_probe_without_profiles_is_accepted(
    plain: Account, profiles: dict[str, object]
) -> None:
    probe = message("audience_membership_change_request", **profiles)
    assert (await plain.send("POST", "/", probe))[0] == 200
    assert (await plain.state())["memberships"] == {}


@pytest.mark.parametrize(
    "account",
    [
        {},
        {"account_id": 4242},
        {"account_settings": None},
        {"account_settings": {"apiKey": "another"}},
        {"account_settings": {"key": "sandbox-key"}},
    ],
)
async def test_a_missing_or_wrong_api_key_is_refused(
    plain: Account, account: dict[str, object]
) -> None:
    status, _ = await plain.send("POST", "/", subscription("add") | {"account": account})
    assert status == 401
    assert (await plain.state())["audiences"] == {}


async def test_path_key_and_the_name_of_its_setting_are_options() -> None:
    request = subscription("add") | {"account": {"account_settings": {"partnerKey": "k"}}}
    async with stranger(
        firehose_path="/mparticle", api_key="k", api_key_setting="partnerKey"
    ) as called:
        assert (await called.send("POST", "/mparticle", request))[0] == 200
        assert (await called.send("POST", "/", request))[0] == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "event_processing_request"},
        {"type": None},
        {"id": 17},
        {"audience_id": "31001"},
        {"audience_name": None},
        {"action": "delete"},
    ],
)
async def test_a_malformed_subscription_is_refused(
    plain: Account, fields: dict[str, object]
) -> None:
    assert (await plain.send("POST", "/", subscription("add") | fields))[0] == 400
    assert (await plain.state())["audiences"] == {}


@pytest.mark.parametrize(
    "profiles",
    [
        {},
        ["user"],
        [{"mpid": ANN, "audiences": {}}],
        [{"mpid": ANN, "audiences": [{"audience_id": 1, "action": "remove"}]}],
        [{"mpid": ANN, "audiences": [{"action": "add"}]}],
    ],
)
async def test_a_malformed_membership_change_is_refused_whole(
    plain: Account, profiles: object
) -> None:
    good = {"mpid": BEA, "audiences": [{"audience_id": 1, "action": "add"}]}
    given = [good, *profiles] if isinstance(profiles, list) else {"0": good}
    request = message("audience_membership_change_request", user_profiles=given)
    assert (await plain.send("POST", "/", request))[0] == 400
    assert (await plain.state())["memberships"] == {}


@pytest.mark.parametrize("body", [b"{", b"[]", b""])
async def test_what_is_no_message_is_refused(plain: Account, body: bytes) -> None:
    assert (await plain.send("POST", "/", body, Content_Type="application/json"))[0] == 400


async def test_suspension_is_answered_until_it_is_lifted() -> None:
    async with stranger(suspend_subscription=True) as called:
        joins = membership((ANN, 31001, "add"))
        assert (await called.send("POST", "/", joins))[1]["suspend_subscription"] is True
        assert (await called.state())["memberships"] == {}
        control = f"{called.url}/_sandbox/suspend"
        for body, status in ((b"maybe", 400), (b"false", 204)):
            async with called.session.put(control, data=body) as response:
                assert response.status == status
        assert (await called.send("POST", "/", joins))[1]["suspend_subscription"] is False
        assert (await called.state())["memberships"] == {ANN: {"31001": "joined"}}


async def test_a_fault_can_meet_every_message_about_a_user() -> None:
    fault = Answer(status=503, body={}, endpoint="POST firehose", user=BEA)
    async with stranger([fault]) as called:
        assert (await called.send("POST", "/", membership((ANN, 1, "add"))))[0] == 200
        both = membership((ANN, 1, "add"), (BEA, 1, "add"))
        assert (await called.send("POST", "/", both))[0] == 503
        assert (await called.send("POST", "/", subscription("add")))[0] == 200


async def test_members_of_another_accounts_audience_are_refused(plain: Account) -> None:
    await plain.send("POST", "/", subscription("add"))
    joins = membership((ANN, 31001, "add"))
    joins["account"] |= {"account_id": 99}
    status, _ = await plain.send("POST", "/", joins)
    assert status == 400
    joins["account"] |= {"account_id": 4242}
    status, _ = await plain.send("POST", "/", joins)
    assert status == 200
