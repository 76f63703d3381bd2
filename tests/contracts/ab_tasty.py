"""AB Tasty's kinds of requests: rows, and the messages of mParticle's partners."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sandbox.ab_tasty import AbTasty, Options
from sandbox.faults import Answer
from sandbox.server import Service
from tests.agents.ab_tasty.factories import AT, FIREHOSE, NOW_MS, UDC, audience, membership
from tests.contracts.scenario import Scenario

MPID, OTHER = AT.user, "-9223372036854775808"
SECRET, KEY = "f0f1f2f3-not-a-real-secret", "0a1b2c3d-not-a-real-key"
LONG = "x" * 10_000


def service() -> Service:
    return AbTasty(Options(client_secret=SECRET, api_key=KEY))


def udc(url: str) -> Mapping[str, Any]:
    return {**UDC, "client_secret": SECRET, "base_url": url, "token_url": f"{url}/oauth/v2/token"}


def firehose(url: str) -> Mapping[str, Any]:
    return {**FIREHOSE, "api_key": KEY, "base_url": url}


def segments(state: Any) -> object:
    return state["segments"]


def memberships(state: Any) -> object:
    return state["memberships"]


def audiences(state: Any) -> object:
    return state["audiences"]


_ab_tasty = partial(
    Scenario,
    service=service,
    refusal=Answer(status=400, body={"error": "bad_request", "message": f"No visitor {MPID}"}),
    rate_limit=Answer(status=429, headers={"Retry-After": "19"}),
    rate_limit_seconds=19.0,
    impatient={"timeout_s": 0.5},
    tightest={"batch_max_rows": 1, "batch_max_bytes": 1024},
    secrets=(SECRET, KEY),
    personal=(MPID, OTHER),
    at=AT,
    now_ms=NOW_MS,
)
_joined_and_left = (membership(), membership(mpid=OTHER), membership("left"))
_firehose = partial(
    _ab_tasty,
    settings=firehose,
    endpoint="POST firehose",
    wrong_keys=({"api_key": "another"}, {"api_key_setting": "key"}, {"auth": "header_key"}),
)

SCENARIOS = (
    _ab_tasty(
        name="udc",
        settings=udc,
        endpoint="POST segments",
        wrong_keys=({"client_secret": "another"}, {"client_id": "another"}, {"auth": "none"}),
        records=_joined_and_left,
        seen=segments,
        expected={
            MPID: {"Lapsed-buyers-31001": "false"},
            OTHER: {"Lapsed-buyers-31001": "true"},
        },
        large=membership(audience_name=LONG),
        never_passes=membership(mpid="user17@shop.example"),
    ),
    _firehose(
        name="firehose-membership",
        records=_joined_and_left,
        seen=memberships,
        expected={MPID: {"31001": "left"}, OTHER: {"31001": "joined"}},
        large=membership(audience_name=LONG),
        never_passes=membership(audience_id="not a number"),
    ),
    _firehose(
        name="firehose-subscription",
        records=(audience(),),
        seen=audiences,
        expected={"31001": {"name": "Lapsed buyers", "state": "connected"}},
        large=audience(audience_name=LONG),
        never_passes=audience(audience_id="not a number"),
    ),
)
