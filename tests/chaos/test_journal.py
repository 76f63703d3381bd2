"""What the journal knows of a request, whatever became of it."""

import asyncio
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
from aiohttp import web

from sandbox.faults import Answer, Delay, EffectWithoutAnswer, Fault, Reset
from sandbox.ports import HOST
from sandbox.sailthru import Options
from sandbox.sailthru.calls import signature
from tests.chaos.journal import Journal, Request, Sailthru
from tests.chaos.moments import Moments

SOURCE = "sailthru-1#1"
_LOOK_SECONDS = 0.01


def form(json: str) -> dict[str, str]:
    options = Options()
    parameters = {"api_key": options.api_key, "format": "json", "json": json}
    return {**parameters, "sig": signature(options.api_secret, parameters)}


async def noted(*faults: Fault, body: str | None = None, leaves: bool = False) -> Request:
    """What is noted of a `POST user` that meets these faults; its client may leave meanwhile."""
    journal = Journal(Moments())
    service = Sailthru(journal, Options())
    service.set_faults(faults)
    runner = web.AppRunner(service.app(), access_log=None)
    await runner.setup()
    try:
        door = web.TCPSite(runner, HOST, 0)
        await door.start()
        journal.sources[door.port] = SOURCE
        said = orjson.dumps({"id": "user17@shop.example", "key": "email"}).decode()
        url = f"http://{HOST}:{door.port}/user"
        async with aiohttp.ClientSession() as http:
            post = asyncio.create_task(http.post(url, data=form(body or said)))
            while not journal.requests:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_LOOK_SECONDS)
            if leaves:
                post.cancel()
            await asyncio.gather(post, return_exceptions=True)  # the journal knows better
        (entry,) = journal.requests
        while leaves and entry.done is None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.sleep(0)  # from the effect to the answer
    finally:
        await runner.cleanup()
    return entry


async def test_a_success_is_noted_from_arrival_to_answer_with_its_sender() -> None:
    entry = await noted()

    assert (entry.source, entry.endpoint) == (SOURCE, "POST user")
    assert entry.done is not None
    assert entry.answered is not None
    assert entry.arrived < entry.done < entry.answered
    assert urlencode({"format": "json"}) in entry.body.decode()


@pytest.mark.parametrize(
    ("fault", "body"),
    [(Answer(status=503), None), (Reset(), None), (Delay(seconds=0), "not JSON")],
    ids=["answered in its place", "cut", "refused"],
)
async def test_what_did_not_succeed_took_no_effect_and_had_no_answer(
    fault: Fault, body: str | None
) -> None:
    entry = await noted(fault, body=body)

    assert (entry.done, entry.answered) == (None, None)


async def test_an_effect_whose_answer_is_kept_back_was_not_answered() -> None:
    entry = await noted(EffectWithoutAnswer())

    assert entry.done is not None
    assert entry.answered is None


async def test_an_answer_to_a_client_that_has_gone_is_none() -> None:
    entry = await noted(Delay(seconds=1.0), leaves=True)

    assert entry.done is not None
    assert entry.answered is None


def test_no_two_moments_are_alike() -> None:
    moments = Moments()
    seen = [moments.now() for _ in range(10_000)]

    assert seen == sorted(set(seen))
