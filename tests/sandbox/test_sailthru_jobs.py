"""The simulated Sailthru: update jobs, taken at once and carried out later."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import orjson
import pytest

from tests.sandbox.sailthru_account import KEY, Account, Answer, account, signed

ANN, BEA = "ann@shop.example", "bea@shop.example"
LINES: tuple[Mapping[str, object], ...] = (
    {"id": ANN, "key": "email", "vars": {"city": "Zürich"}},
    {"id": BEA, "vars": {"city": "Ulm"}, "lists": {"Buyers": 1}},
)
NO_ARGUMENTS: Mapping[str, object] = MappingProxyType({})


class Queue:
    """A sleep that ends when a test says so: how long a job waits is not for a clock to say."""

    def __init__(self) -> None:
        self.moves = asyncio.Event()

    async def __call__(self, _: float) -> None:
        await self.moves.wait()


@pytest.fixture
async def prompt() -> AsyncIterator[Account]:
    async with account(job_seconds=0.0) as running_account:
        yield running_account


def file(lines: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


async def post(
    called: Account, content: bytes | None, arguments: Mapping[str, object] = NO_ARGUMENTS
) -> Answer:
    return await send(
        called, signed(orjson.dumps({"job": "update", **arguments}).decode()), content
    )


async def send(called: Account, parameters: Mapping[str, str], content: bytes | None) -> Answer:
    form = aiohttp.FormData(parameters)
    if content is not None:
        form.add_field("file", content, filename="users.json")
    async with called.session.post(f"{called.url}/job", data=form) as response:
        return Answer(response.status, dict(response.headers), await response.json())


async def ended(called: Account, taken: Answer) -> Any:
    async with asyncio.timeout(60):
        while True:
            answer = await called.call("GET", "job", job_id=taken.body["job_id"])
            if answer.body["status"] != "pending":
                return answer.body
            await asyncio.sleep(0.01)


async def test_a_job_is_pending_until_it_is_carried_out() -> None:
    queue = Queue()
    async with account(sleep=queue) as called:
        taken = await post(called, file(LINES))
        assert (taken.status, taken.body["status"], taken.body["name"]) == (
            200,
            "pending",
            "Bulk Update",
        )
        asked = await called.call("GET", "job", job_id=taken.body["job_id"])
        assert asked.body["status"] == "pending"
        assert "end_time" not in asked.body
        assert await called.profiles() == []
        queue.moves.set()
        told = await ended(called, taken)
        assert (told["status"], told["job_id"]) == ("completed", taken.body["job_id"])
        assert told["end_time"]
        assert [(each["keys"], each["vars"]) for each in await called.profiles()] == [
            ({"email": ANN}, {"city": "Zürich"}),
            ({"email": BEA}, {"city": "Ulm"}),
        ]
        assert [(each["list"], each["count"]) for each in await called.lists()] == [("Buyers", 1)]


async def test_lines_change_profiles_as_calls_do(prompt: Account) -> None:
    await prompt.post_user(id=ANN, vars={"city": "Ulm", "tier": "gold"})
    await ended(prompt, await post(prompt, file(LINES[:1])))
    [ann] = await prompt.profiles()
    assert ann["vars"] == {"city": "Zürich", "tier": "gold"}


BAD_LINES = [
    b"not JSON",
    b"[]",
    b"\xff",
    file([{"id": "ann at shop"}]),
    file([{"vars": {"city": "Ulm"}}]),
    file([{"id": ANN, "keys": {"extid": "17"}}]),
    file([{"id": "17", "key": "extid", "vars": {"city": "Ulm"}}]),
    file([{"id": ANN, "vars": {"x" * 33: 1}}]),
]


@pytest.mark.parametrize("bad", BAD_LINES)
async def test_a_line_that_is_refused_is_passed_over_in_silence(
    prompt: Account, bad: bytes
) -> None:
    told = await ended(prompt, await post(prompt, bad.strip() + b"\n" + file(LINES[1:])))
    assert told["status"] == "completed"
    assert [each["keys"] for each in await prompt.profiles()] == [{"email": BEA}]


@pytest.mark.parametrize("bad", BAD_LINES)
async def test_or_is_the_end_of_its_job(bad: bytes) -> None:
    async with account(job_seconds=0.0, bad_job_line="fail") as called:
        told = await ended(called, await post(called, bad.strip() + b"\n" + file(LINES[1:])))
        assert told["status"] == "error"
        assert await called.profiles() == []


@pytest.mark.parametrize(
    ("content", "arguments", "refusal"),
    [
        (None, {}, (400, 99)),
        (None, {"emails": ANN}, (400, 99)),
        (file(LINES), {"emails": ANN}, (400, 99)),
        (file(LINES), {"job": "import"}, (400, 99)),
        (file(LINES), {"job": ""}, (400, 2)),
        (b"{}\n" * 4, {}, (413, 99)),
        (b" " * 201, {}, (413, 99)),
    ],
)
async def test_a_job_that_is_none_is_refused(
    content: bytes | None, arguments: Mapping[str, object], refusal: tuple[int, int]
) -> None:
    async with account(job_lines=3, job_bytes=200) as called:
        assert (await post(called, content, arguments)).refusal == refusal


async def test_a_file_is_no_part_of_the_signature_and_the_rest_is(prompt: Account) -> None:
    parameters = signed(orjson.dumps({"job": "update"}).decode())
    assert (await send(prompt, parameters, file(LINES))).status == 200
    assert (await send(prompt, {**parameters, "sig": "0" * 32}, file(LINES))).refusal == (401, 5)
    form = aiohttp.FormData({"api_key": KEY, "format": "json", "json": "{}"})
    form.add_field("sig", b"", filename="sig")
    async with prompt.session.post(f"{prompt.url}/job", data=form) as response:
        assert (response.status, (await response.json())["error"]) == (400, 2)


async def test_a_job_that_nobody_posted_is_not_found(prompt: Account) -> None:
    assert (await prompt.call("GET", "job", job_id="17")).refusal == (404, 99)
    assert (await prompt.call("GET", "job")).refusal == (400, 2)


async def test_jobs_have_the_limit_of_any_other_post(prompt: Account) -> None:
    taken = await post(prompt, file(LINES))
    assert taken.headers["X-Rate-Limit-Limit"] == "2400"
