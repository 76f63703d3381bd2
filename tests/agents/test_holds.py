"""A sentence with which a worker holds names what an operator would change."""

import re
from collections.abc import Mapping
from itertools import product

import orjson
import pytest

from agents.ab_tasty.client import classify as ab_tasty
from agents.ab_tasty.sink import AbTastySink
from agents.router.processor import BEHIND
from agents.sailthru.errors import WRONG_SECRET
from agents.sailthru.errors import classify as sailthru
from agents.sailthru.sink import SailthruSink
from cli.settings import rows
from streams.outcomes import Misconfigured, Outcome, Rejected

SETTINGS = {name for name, _, _ in rows()}
NAMED = re.compile(r"\b(?:KAFKA|WORKER|ROUTER|SAILTHRU|ABTASTY)_[A-Z_]+\b")
STATUSES = [200, 302, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422]
CODES = [*range(44), 99, "XX"]


def of_sailthru() -> list[Outcome]:
    return [WRONG_SECRET] + [
        sailthru(status, {}, orjson.dumps({"error": code, "errormsg": "x"}))
        for status, code in product(STATUSES, CODES)
    ]


def of_ab_tasty() -> list[Outcome]:
    bodies = [b"", b'{"suspend_subscription": true}']
    endpoints = ["segments", "membership", "subscription"]
    return [
        ab_tasty(status, {}, body, endpoint)
        for status, body, endpoint in product(STATUSES, bodies, endpoints)
    ]


@pytest.mark.parametrize("outcomes", [of_sailthru(), of_ab_tasty()], ids=["sailthru", "ab-tasty"])
def test_every_hold_at_a_service_names_settings_that_there_are(outcomes: list[Outcome]) -> None:
    holds = {each for each in outcomes if isinstance(each, Misconfigured)}
    assert holds
    for each in holds:
        named = set(NAMED.findall(each.what_to_do))
        assert named, each
        assert named <= SETTINGS, each


@pytest.mark.parametrize(
    ("sink", "outcomes"),
    [(SailthruSink, of_sailthru()), (AbTastySink, of_ab_tasty())],
    ids=["sailthru", "ab-tasty"],
)
def test_the_guard_knows_a_setting_for_whatever_a_service_refuses(
    sink: type[SailthruSink] | type[AbTastySink], outcomes: list[Outcome]
) -> None:
    refused = {each for each in outcomes if isinstance(each, Rejected) and each.blames != "account"}
    assert {each.reason for each in refused} - sink.behind.keys() == set()


@pytest.mark.parametrize(
    "behind", [SailthruSink.behind, AbTastySink.behind, BEHIND], ids=["sailthru", "ab-tasty", "raw"]
)
def test_the_guard_names_settings_that_there_are(behind: Mapping[str, str]) -> None:
    for said in behind.values():
        assert 1 <= len(NAMED.findall(said)) <= 2
        assert set(NAMED.findall(said)) <= SETTINGS
