"""The example's one kind of request: records of a user, posted to whoever listens."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from aiohttp import web

from sandbox.faults import Answer
from sandbox.server import Service, json_response
from streams.delivery.sink import Placement
from tests.contracts.scenario import Scenario
from tests.streams.records import RECEIVED_AT_MS, event

USER, TOKEN = "4242424242", "0a1b2c3d-not-a-real-token"
UNWANTED, LONG = "unwanted by whoever listens", "x" * 10_000


class Listener(Service):
    """Keeps each record once, by its id, and refuses events of one name."""

    endpoints: ClassVar[frozenset[str]] = frozenset({"POST hook"})

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, str] = {}

    def endpoint(self, request: web.Request) -> str:
        return "POST hook" if request.method == "POST" else "unknown"

    def identity(self, request: web.Request, body: bytes) -> str:
        del request
        return body.decode(errors="replace")

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return json_response({"error": "who are you?"}, HTTPStatus.UNAUTHORIZED)
        records = orjson.loads(body)
        if any(each["name"] == UNWANTED for each in records):
            said = {"error": f"not this one: {body.decode()}"}
            return json_response(said, HTTPStatus.UNPROCESSABLE_ENTITY)
        self._kept |= {each["id"]: each["name"] for each in records}
        return json_response({}, HTTPStatus.ACCEPTED)

    def state(self) -> object:
        return self._kept

    def forget(self) -> None:
        self._kept.clear()


def settings(url: str) -> Mapping[str, Any]:
    return {"url": url, "token": TOKEN}


SCENARIOS = (
    Scenario(
        name="post",
        service=Listener,
        settings=settings,
        endpoint="POST hook",
        records=(event(USER, "waved", "1"), event(USER, "left", "2"), event(USER, "waved", "3")),
        seen=lambda state: state,
        expected={"1": "waved", "2": "left", "3": "waved"},
        large=event(USER, LONG, "4"),
        never_passes=event(USER, UNWANTED, "5"),
        refusal=Answer(status=422, body={"error": f"no user {USER}"}),
        rate_limit=Answer(status=429, headers={"Retry-After": "19"}),
        rate_limit_seconds=19.0,
        wrong_keys=({"token": "another"}, {"token": None}),
        impatient={"timeout_s": 0.5},
        tightest={"batch_records": 1},
        secrets=(TOKEN,),
        personal=(USER,),
        at=Placement(USER, 0),
        now_ms=RECEIVED_AT_MS,
    ),
)
