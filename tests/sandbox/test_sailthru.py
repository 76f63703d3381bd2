"""The simulated Sailthru: requests, signatures, limits."""

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from sandbox.faults import Answer as ScriptedAnswer
from sandbox.sailthru import PUBLISHED_CEILINGS, Options, Sailthru, refusals
from sandbox.sailthru.calls import signature
from sandbox.server import Refusal, running
from tests.sandbox.clock import Clock
from tests.sandbox.sailthru_account import KEY, SECRET, Account, account, signed

USER = '{"id":"user17@shop.example"}'


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


def test_signature_agrees_with_the_published_vector() -> None:
    """The vector is from IngeniumSE/SailthruSDK, tests/SignatureGeneratorTests.cs."""
    parameters = {"api_key": "123key", "format": "json", "json": '{"id":"neil@example.com"}'}
    assert signature("abcsecret", parameters) == "fa5c79189b708199f3cf69f1cf8f7928"


def test_signature_sorts_values_by_code_point_and_leaves_itself_out() -> None:
    one = signature("secret", {"api_key": "zebra", "format": "json", "json": "{}", "sig": "x"})
    other = signature("secret", {"a": "json", "b": "zebra", "c": "{}"})
    assert one == other


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda parameters: {key: value for key, value in parameters.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (without("api_key"), (400, 2)),
        (without("format"), (400, 2)),
        (without("json"), (400, 2)),
        (without("sig"), (400, 2)),
        (lambda given: given | {"email": "user17@shop.example"}, (400, 99)),
        (lambda _: signed(USER, key="ffff"), (401, 3)),
        (lambda _: signed(USER, secret="another"), (401, 5)),
        (lambda given: given | {"json": USER + " "}, (401, 5)),
        (lambda _: signed("{"), (400, 99)),
        (lambda _: signed("null"), (400, 99)),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_only_four_signed_parameters_are_taken(
    plain: Account,
    method: str,
    spoil: Callable[[dict[str, str]], dict[str, str]],
    refusal: tuple[int, int],
) -> None:
    answer = await plain.send(method, "user", spoil(signed(USER)))
    assert answer.refusal == refusal
    assert answer.body["errormsg"]
    assert await plain.profiles() == []


async def test_format_has_to_be_json(plain: Account) -> None:
    parameters = {"api_key": KEY, "format": "xml", "json": USER}
    parameters["sig"] = signature(SECRET, parameters)
    assert (await plain.send("POST", "user", parameters)).refusal == (406, 99)


async def test_old_style_arguments_are_refused_with_a_hint(plain: Account) -> None:
    parameters = {"api_key": KEY, "format": "json", "id": "user17@shop.example"}
    parameters["sig"] = signature(SECRET, parameters)
    answer = await plain.send("POST", "user", parameters)
    assert answer.refusal == (400, 2)
    assert "json" in answer.body["errormsg"]


@pytest.mark.parametrize(
    ("body", "content_type", "refusal"),
    [
        (b'{"api_key": "0a1b2c3d4e5f"}', "application/json", (400, 2)),
        (b"api_key=%FF&format=json&json={}&sig=0", "application/x-www-form-urlencoded", (400, 6)),
    ],
)
async def test_a_post_is_a_form_in_utf8(
    plain: Account, body: bytes, content_type: str, refusal: tuple[int, int]
) -> None:
    headers = {"Content-Type": content_type}
    async with plain.session.post(f"{plain.url}/user", data=body, headers=headers) as response:
        answer = await response.json()
    assert (response.status, answer["error"]) == refusal


@pytest.mark.parametrize(
    ("method", "endpoint", "refusal"),
    [
        ("POST", "nothing", (404, 99)),
        ("GET", "user/17", (404, 99)),
        ("GET", "event", (405, 1)),
        ("POST", "settings", (405, 1)),
        ("PUT", "user", (405, 1)),
    ],
)
async def test_unknown_endpoints_and_methods_are_refused(
    plain: Account, method: str, endpoint: str, refusal: tuple[int, int]
) -> None:
    assert (await plain.call(method, endpoint)).refusal == refusal


async def test_settings_prove_the_credentials(plain: Account) -> None:
    assert (await plain.call("GET", "settings")).status == 200
    wrong = await plain.send("GET", "settings", signed("{}", secret="another"))
    assert wrong.refusal == (401, 5)


@pytest.mark.parametrize(
    ("method", "endpoint", "limit"),
    [
        ("POST", "user", 18_000),
        ("GET", "user", 18_000),
        ("DELETE", "user", 2_400),
        ("POST", "event", 2_400),
        ("POST", "list", 2_400),
        ("GET", "list", 18_000),
        ("GET", "settings", 18_000),
    ],
)
async def test_every_answer_announces_the_published_ceiling(
    method: str, endpoint: str, limit: int
) -> None:
    clock = Clock()
    clock.now = 1_767_225_601.0
    async with account(clock=clock) as called:
        answer = await called.call(method, endpoint, id="user17@shop.example", list="Buyers")
    assert answer.headers["X-Rate-Limit-Limit"] == str(limit)
    assert answer.headers["X-Rate-Limit-Remaining"] == str(limit - 1)
    assert answer.headers["X-Rate-Limit-Reset"] == "1767225660"


async def test_a_factor_raises_every_ceiling() -> None:
    assert Options(factor=50).ceiling("POST user") == 50 * PUBLISHED_CEILINGS["POST user"]
    async with account(factor=50) as called:
        answer = await called.post_event(id="user17@shop.example", event="viewed")
        assert answer.headers["X-Rate-Limit-Limit"] == "120000"
        async with called.session.get(f"{called.url}/_sandbox/requests") as response:
            shown = await response.json()
    assert shown["requests"] == {"POST event": {"200": 1}}
    assert shown["ceilings"]["POST user"] == 900_000
    assert shown["ceilings"].keys() == Sailthru.endpoints


async def test_beyond_the_ceiling_one_endpoint_and_method_waits_for_the_next_minute() -> None:
    clock = Clock()
    ceilings = {"POST user": 3, "POST": 2, "GET": 2, "DELETE": 1}
    async with account(clock=clock, ceilings=ceilings) as called:
        answers = [await called.post_user(id="user17@shop.example") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == list("2100")
        assert answers[-1].refusal == (429, 43)
        assert "Retry-After" not in answers[-1].headers
        assert (await called.call("GET", "user", id="user17@shop.example")).status == 200
        assert (await called.post_event(id="user17@shop.example", event="viewed")).status == 200
        clock.now += 60
        assert (await called.post_user(id="user17@shop.example")).status == 200


async def test_what_is_not_authenticated_spends_nothing() -> None:
    async with account(ceilings={"POST": 1, "GET": 1, "DELETE": 1}, clock=Clock()) as called:
        refused = await called.send("POST", "user", signed(USER, secret="another"))
        assert refused.headers["X-Rate-Limit-Remaining"] == "1"
        assert (await called.post_user(id="user17@shop.example")).status == 200


INFERRED_STATUSES: list[tuple[Refusal, dict[str, object]]] = [
    (refusals.INVALID_EMAIL, {"id": "user17"}),
    (refusals.CANNOT_CREATE, {"id": "0" * 24, "key": "sid"}),
    (refusals.LIST_NAME, {"id": "user17@shop.example", "lists": {"$": 1}}),
]


@pytest.mark.parametrize(("refusal", "arguments"), INFERRED_STATUSES)
@pytest.mark.parametrize("status", [None, 403])
async def test_an_inferred_status_can_be_another(
    refusal: Refusal, arguments: dict[str, object], status: int | None
) -> None:
    async with account(statuses={refusal.name: status} if status else {}) as called:
        answer = await called.post_user(**arguments)
    assert answer.refusal == (status or refusal.status, refusal.code)


def test_every_refusal_names_its_fact() -> None:
    known = [each for each in vars(refusals).values() if isinstance(each, Refusal)]
    assert len({each.name for each in known}) == len(known) > 15
    assert all(each.fact and each.evidence for each in known)


async def test_faults_meet_users_by_any_of_their_keys() -> None:
    script = [ScriptedAnswer(status=500, user="user17@", endpoint="POST user")]
    service = Sailthru(Options(api_key=KEY, api_secret=SECRET), script)
    async with running(service.app()) as url, aiohttp.ClientSession() as session:
        called = Account(url, session)
        parameters = [
            signed('{"id":"17","key":"extid","keys":{"email":"user17@shop.example"}}'),
            signed('{"id":"user18@shop.example"}'),
            signed("{"),
        ]
        statuses = []
        for each in parameters:
            async with session.post(f"{url}/user", data=each) as response:
                statuses.append(response.status)
        assert statuses == [500, 200, 400]
        assert [profile["keys"]["email"] for profile in await called.profiles()] == [
            "user18@shop.example"
        ]
