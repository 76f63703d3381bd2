"""Sailthru's kinds of requests: a profile's change, an event, a list."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sandbox.faults import Answer
from sandbox.sailthru import Options, Sailthru
from sandbox.server import Service
from tests.agents.sailthru.factories import (
    EMAIL,
    NOW_MS,
    USER,
    attributes,
    audience,
    event,
    membership,
)
from tests.contracts.scenario import Scenario

KEY, SECRET = "0a1b2c3d4e5f", "f0f1f2f3-not-a-real-secret"
CITY, LIST, EVENT = "Boca Raton", "Lapsed buyers", "viewed_lookbook"
NO_ADDRESS, LONG = "user17 at shop", "x" * 10_000


def service() -> Service:
    return Sailthru(Options(api_key=KEY, api_secret=SECRET, list_creation_delay=0.0))


def settings(url: str) -> Mapping[str, Any]:
    return {"base_url": url, "api_key": KEY, "api_secret": SECRET}


def profiles(state: Any) -> object:
    return {
        each["keys"]["email"]: (each["vars"], sorted(each["lists"])) for each in state["profiles"]
    }


def events(state: Any) -> object:
    return [
        (each["event"], each["vars"].get("page"))
        for profile in state["profiles"]
        for each in profile["events"]
    ]


def lists(state: Any) -> object:
    return [each["list"] for each in state["lists"]]


_sailthru = partial(
    Scenario,
    service=service,
    settings=settings,
    # "Error Codes" (docs.sailthru.com/api/errors); the text is the simulator's own.
    refusal=Answer(status=400, body={"error": 11, "errormsg": f"Invalid: {EMAIL} of {CITY}"}),
    rate_limit=Answer(
        status=429,
        body={"error": 43, "errormsg": "Too many requests"},
        headers={
            "Date": "Thu, 01 Jan 2026 00:00:41 GMT",
            "X-Rate-Limit-Limit": "18000",
            "X-Rate-Limit-Remaining": "0",
            "X-Rate-Limit-Reset": "1767225660",
        },
    ),
    rate_limit_seconds=19.0,
    wrong_keys=({"api_key": "f" * 12}, {"api_secret": "another"}),
    impatient={"timeout_s": 0.5},
    tightest={},
    secrets=(KEY, SECRET),
    personal=(EMAIL, "user17", USER.user, CITY),
    at=USER,
    now_ms=NOW_MS,
)

SCENARIOS = (
    _sailthru(
        name="user",
        endpoint="POST user",
        records=(attributes(tier="silver", city=CITY), membership(), attributes(tier="gold")),
        seen=profiles,
        expected={EMAIL: ({"tier": "gold", "city": CITY}, [LIST])},
        large=attributes(about=LONG),
        never_passes=attributes(NO_ADDRESS, city=CITY),
    ),
    _sailthru(
        name="event",
        endpoint="POST event",
        records=(event(EVENT, attributes={"page": CITY}),),
        seen=events,
        expected=[(EVENT, CITY)],
        large=event(attributes={"about": LONG}),
        never_passes=event(EVENT, NO_ADDRESS),
        sets_state=False,
    ),
    _sailthru(
        name="list",
        endpoint="POST list",
        records=(audience(LIST),),
        seen=lists,
        expected=[LIST],
        large=audience(LONG),
        never_passes=audience(None),
    ),
)
