"""Tries at AB Tasty what changes nothing there, for `check --live`."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import orjson

from agents.ab_tasty.agreed_audiences import AgreedAudiences
from agents.ab_tasty.client import classify, with_key
from agents.ab_tasty.firehose import MEMBERSHIP, probe
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.token import TokenSource
from agents.ab_tasty.udc import SEGMENTS
from agents.live_check import refused
from agents.registry import Finding
from streams.http import Answer, Http, is_success
from streams.settings import KafkaSettings

# A visitor id that no user can have: mParticle's ids are numbers.
_NOBODY = "mparticle-streams-check"
_NOT_PROVED = (
    "Not proved: that the partner name is taken, that an upload has effect, that visitors are "
    "recognised by this id. docs/ab-tasty.md says how to try it with one visitor."
)


async def name_conflicts(kafka: KafkaSettings) -> AsyncIterator[Finding]:
    """Names the audiences whose segment is not called as they are, because another's is."""
    for theirs, owner in await AgreedAudiences(kafka).told_apart():
        yield Finding(
            "open",
            f"the segment of audience {theirs.audience_id} is called {theirs.owned}, because "
            f"{theirs.instead_of} is that of audience {owner.audience_id}.",
        )


async def live(settings: AbTastySettings) -> AsyncIterator[Finding]:
    """Fetches a token where one is used, and makes one call that changes nothing."""
    async with Http.open(settings) as http:
        headers: dict[str, str] = {}
        if settings.auth_method == "oauth":
            tokens = TokenSource(settings, http)
            token = await tokens.get()
            await tokens.close()
            if not isinstance(token, str):
                yield refused(token, settings, settings.token_url, "AB Tasty")
                return
            yield Finding("ok", "AB Tasty gives a token for ABTASTY_CLIENT_ID and its secret.")
            headers[settings.header_name] = f"Bearer {token}"
        elif settings.auth_method == "header_key" and settings.api_key:
            headers[settings.header_name] = settings.api_key.get_secret_value()
        if settings.mode == "udc":
            yield await _read_nobody(settings, http, headers)
        else:
            yield await _probe(settings, http, headers)
        yield Finding("open", _NOT_PROVED)


async def _read_nobody(settings: AbTastySettings, http: Http, headers: dict[str, str]) -> Finding:
    """Asks for the segments of a visitor whom nobody has.

    The route is known second-hand only: elevate-agency-data/n8n-nodes-abtasty, AbTasty.node.ts.
    """
    url = settings.model_copy(update={"partner_name": _NOBODY}).url(SEGMENTS)
    answer = await http.request("GET", url, headers=headers)
    if not isinstance(answer, Answer):
        return refused(answer, settings, url, "AB Tasty")
    if is_success(answer.status):
        return Finding("ok", "AB Tasty lets it read segments of the account (of no visitor).")
    if answer.status == HTTPStatus.NOT_FOUND:
        return Finding(
            "open",
            "AB Tasty answers HTTP 404 for a visitor whom nobody has: so it may always do; if the "
            "worker is held with not_found, check ABTASTY_ACCOUNT_ID.",
        )
    return refused(
        classify(answer.status, answer.headers, answer.body, SEGMENTS), settings, url, "AB Tasty"
    )


async def _probe(settings: AbTastySettings, http: Http, headers: dict[str, str]) -> Finding:
    """Sends a membership request about nobody, which mParticle says a partner must accept."""
    url = settings.url(MEMBERSHIP)
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    message = with_key(probe(settings.account_number), settings, key)
    json = {"Content-Type": "application/json"}
    answer = await http.request("POST", url, headers=headers | json, data=orjson.dumps(message))
    if not isinstance(answer, Answer):
        return refused(answer, settings, url, "AB Tasty")
    if not is_success(answer.status):
        return refused(
            classify(answer.status, answer.headers, answer.body, MEMBERSHIP),
            settings,
            url,
            "AB Tasty",
        )
    return Finding("ok", "AB Tasty takes a membership request about nobody.")
