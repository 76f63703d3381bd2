"""Tries at Sailthru what changes nothing there, for `check --live`."""

from collections.abc import AsyncIterator

from agents.live_check import refused
from agents.registry import Finding
from agents.sailthru.client import Client
from agents.sailthru.errors import SIGNATURE_REFUSED, WRONG_SECRET
from agents.sailthru.list_names import agreed_names
from agents.sailthru.settings import SailthruSettings
from streams.delivery.rate_limit.limiter import Pacer
from streams.http import Http
from streams.outcomes import Delivered
from streams.settings import KafkaSettings

# Correct signatures are refused now and then (sailthru-java-client, issue 8).
_TRIES = 4
_NOT_PROVED = (
    "Not proved: that the key may write users, events and lists, and that flows start on events."
)


async def name_conflicts(kafka: KafkaSettings) -> AsyncIterator[Finding]:
    """Names the audiences whose list is not called as they are, because another's is."""
    for theirs, owner in await agreed_names(kafka).told_apart():
        yield Finding(
            "open",
            f"the list of audience {theirs.audience_id} is called {theirs.owned}, because "
            f"{theirs.instead_of} is that of audience {owner.audience_id}.",
        )


async def live(settings: SailthruSettings) -> AsyncIterator[Finding]:
    """Reads the account's settings: page "settings" of the API documentation."""
    async with Http.open(settings) as http:
        client = Client(http, settings, Pacer({"settings GET": None}))
        for _ in range(_TRIES):
            outcome = await client.get("settings", {})
            if outcome != SIGNATURE_REFUSED:
                break
        else:
            outcome = WRONG_SECRET
    if outcome == Delivered():
        yield Finding("ok", "Sailthru knows SAILTHRU_API_KEY and its secret.")
        yield Finding("open", _NOT_PROVED)
    else:
        yield refused(outcome, settings, settings.base_url, "Sailthru")
