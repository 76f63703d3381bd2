"""The simulated AB Tasty: tokens, paths, faults, control."""

from collections.abc import AsyncIterator

import orjson
import pytest

from sandbox.ab_tasty import AbTasty, refusals
from sandbox.faults import Answer
from sandbox.server import Refusal
from tests.sandbox.ab_tasty_account import CREDENTIALS, UPLOAD, Account, account, csv, stranger
from tests.sandbox.clock import Clock

DAY = 86_400
ANN, BEA = "8140027735519024411", "-2209915380047716602"
BOTH = csv(f"{ANN},lapsed-buyers,true", f"{BEA},lapsed-buyers,true")


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


async def test_a_token_is_bought_with_the_credentials_and_counted() -> None:
    async with stranger() as called:
        for number in (1, 2):
            status, token = await called.send("POST", "/oauth/v2/token", CREDENTIALS)
            assert status == 200
            assert token.keys() == {"access_token", "expires_in", "token_type", "scope"}
            assert (token["expires_in"], token["token_type"]) == (43_200, "bearer")
            assert (await called.state())["tokens"] == number


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (orjson.dumps(CREDENTIALS | {"client_secret": "another"}), "application/json", 401),
        (orjson.dumps(CREDENTIALS | {"client_id": "another"}), "application/json", 401),
        (orjson.dumps(CREDENTIALS | {"grant_type": "password"}), "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (orjson.dumps(CREDENTIALS), "text/plain", 415),
    ],
)
async def test_a_token_is_refused(body: bytes, media_type: str, status: int) -> None:
    async with stranger() as called:
        answer = await called.send("POST", "/oauth/v2/token", body, Content_Type=media_type)
        assert answer[0] == status
        assert (await called.state())["tokens"] == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer another", "Basic sandbox-token-1"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_without_a_good_token_nothing_is_taken_or_shown(
    plain: Account, method: str, header: str
) -> None:
    plain.headers = {"Authorization": header, "Content-Type": "text/csv"}
    assert (await plain.send(method, UPLOAD, BOTH))[0] == 401
    assert (await plain.state())["files"] == 0


async def test_a_token_ends_after_its_lifetime_and_a_new_one_works() -> None:
    clock = Clock()
    async with account(clock=clock, token_lifetime=60) as called:
        clock.now += 59
        assert (await called.upload(BOTH))[0] == 202
        clock.now += 1
        assert (await called.upload(BOTH))[0] == 401
        await called.log_in()
        assert (await called.upload(BOTH))[0] == 202


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/another/segments/mparticle", 404),
        ("/accounts/sandbox-account/segments/another", 403),
        ("/accounts/sandbox-account/segments", 404),
        ("/accounts/sandbox-account/visitors/mparticle", 404),
        ("/elsewhere", 404),
        ("/oauth/v2/token/", 404),
    ],
)
async def test_a_wrong_account_partner_or_path_is_refused(
    plain: Account, path: str, status: int
) -> None:
    assert (await plain.upload(BOTH, path=path))[0] == status


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/oauth/v2/token"), ("PUT", UPLOAD), ("GET", "/")]
)
async def test_a_wrong_method_is_refused(plain: Account, method: str, path: str) -> None:
    assert (await plain.send(method, path))[0] == 405


@pytest.mark.parametrize("status", [None, 422])
async def test_an_inferred_status_can_be_another(status: int | None) -> None:
    refusal = refusals.BAD_ROW
    async with account(statuses={refusal.name: status} if status else {}) as called:
        answer = await called.upload(csv("ann@shop.example,a,true"))
    assert answer[0] == (status or refusal.status)


def test_every_refusal_names_its_fact() -> None:
    known = [each for each in vars(refusals).values() if isinstance(each, Refusal)]
    assert len({each.name for each in known}) == len(known) > 10
    assert all(each.fact and each.evidence for each in known)


@pytest.mark.parametrize("media_type", ["text/csv", "application/json"])
async def test_a_fault_can_meet_every_file_with_a_visitor(media_type: str) -> None:
    poison = Answer(status=400, body={}, endpoint="POST segments", user=BEA)

    def body(*visitors: str) -> bytes:
        if media_type == "text/csv":
            return csv(*(f"{visitor},a,true" for visitor in visitors))
        return orjson.dumps([{"visitor_id": v, "segment": "a"} for v in visitors])

    async with account(poison) as called:
        assert (await called.upload(body(ANN, "17"), media_type))[0] == 202
        assert (await called.upload(body(ANN, BEA), media_type))[0] == 400
        path = "/accounts/sandbox-account/segments/"
        assert (await called.send("GET", path + BEA))[0] == 200
        async with called.session.get(f"{called.url}/_sandbox/requests") as response:
            counted = (await response.json())["requests"]
    assert counted == {
        "POST token": {"200": 1},
        "POST segments": {"202": 1, "400": 1},
        "GET segments": {"200": 1},
    }
    assert counted.keys() <= AbTasty.endpoints


async def test_forgetting_takes_the_tokens_too(plain: Account) -> None:
    await plain.upload(BOTH)
    async with plain.session.delete(f"{plain.url}/_sandbox/state") as response:
        assert response.status == 204
    assert (await plain.upload(BOTH))[0] == 401
    assert await plain.segments() == {}
