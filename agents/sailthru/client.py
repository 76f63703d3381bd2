"""Sailthru over HTTP: signs a call, sends it, names how it ended.

Sources: "API Technical Details" (getstarted.meetmarigold.com) for the shape of a request,
sailthru/sailthru-python-client sailthru/sailthru_client.py for the signature, "API Rate Limiting"
(getstarted.sailthru.com) with sailthru-java-client LastRateLimitInfo.java for the headers.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import aiohttp

from agents.sailthru.credentials import Credentials, Pair
from agents.sailthru.errors import (
    SIGNATURE_REFUSED,
    WRONG_KEY,
    WRONG_SECRET,
    classify,
    reset_time,
    service_time,
)
from agents.sailthru.settings import SailthruSettings
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.rate_limit.quota import Quota
from streams.http import Answer, Http, whole_number
from streams.outcomes import Delivered, Outcome, Rejected

# Correct clients have been refused a few times in a row (sailthru-java-client, issue 8).
_SIGNATURES_REFUSED_AT_MOST = 10
# A file of some megabytes takes longer than any call.
_UPLOAD_SECONDS = 300.0
# More requests a minute than any limit of Sailthru's.
_MAX_LIMIT = 10**8


class Ending(NamedTuple):
    """The outcome of a call, and the service's answer; None where it did not answer."""

    outcome: Outcome
    body: bytes = b""


def signature(secret: str, parameters: Mapping[str, str]) -> str:
    """MD5 of the secret and the parameters' values in code point order, before URL-encoding."""
    text = secret + "".join(sorted(parameters.values()))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def quota(headers: Mapping[str, str], took: float) -> Quota | None:
    """Returns what an answer says of its endpoint's limit; it `took` so many seconds to come."""
    limit = whole_number(headers.get("X-Rate-Limit-Limit", ""))
    remaining = whole_number(headers.get("X-Rate-Limit-Remaining", ""))
    if limit is None or not 0 < limit < _MAX_LIMIT:
        return None
    return Quota(
        limit=limit,
        remaining=remaining if remaining is not None and remaining <= limit else None,
        reset_at=reset_time(headers),
        now=service_time(headers),
        took=took,
    )


class Client:
    """Makes calls and tells the pacer what the answers say of the limits."""

    def __init__(self, http: Http, settings: SailthruSettings, pacer: Pacer) -> None:
        self._http = http
        self._base_url = settings.base_url
        self._credentials = Credentials(settings)
        self._pacer = pacer
        self._signatures_refused = 0

    async def post(self, endpoint: str, arguments: Mapping[str, Any]) -> Outcome:
        return (await self._call("POST", endpoint, arguments, limit=endpoint)).outcome

    async def get(self, endpoint: str, arguments: Mapping[str, Any]) -> Outcome:
        return (await self.read(endpoint, arguments)).outcome

    async def read(self, endpoint: str, arguments: Mapping[str, Any]) -> Ending:
        """A GET whose answer matters."""
        return await self._call("GET", endpoint, arguments, limit=f"{endpoint} GET")

    async def upload(self, endpoint: str, arguments: Mapping[str, Any], file: bytes) -> Ending:
        """A POST with a file, which is no part of the signature."""
        return await self._call("POST", endpoint, arguments, limit=endpoint, file=file)

    async def _call(
        self,
        method: Literal["GET", "POST"],
        endpoint: str,
        arguments: Mapping[str, Any],
        *,
        limit: str,
        file: bytes | None = None,
    ) -> Ending:
        signed_with = self._credentials.present()
        parameters = _parameters(arguments, signed_with)
        answer = await self._http.request(
            method,
            f"{self._base_url}/{endpoint}",
            params=parameters if method == "GET" else None,
            data=_form(parameters, file) if method == "POST" else None,
            timeout_s=None if file is None else _UPLOAD_SECONDS,
        )
        if not isinstance(answer, Answer):
            return Ending(answer)
        self._observe(limit, answer)
        outcome = classify(answer.status, answer.headers, answer.body)
        return Ending(self._judge(outcome, signed_with), answer.body)

    def _observe(self, limit: str, answer: Answer) -> None:
        announced = quota(answer.headers, answer.took)
        if announced is not None:
            self._pacer.observe(limit, announced)
        elif "X-Rate-Limit-Limit" in answer.headers:
            self._pacer.ignore(limit, "limit")
        if announced and announced.remaining is None and "X-Rate-Limit-Remaining" in answer.headers:
            self._pacer.ignore(limit, "remaining")
        if announced and announced.reset_at is None and "X-Rate-Limit-Reset" in answer.headers:
            self._pacer.ignore(limit, "reset")

    def _judge(self, outcome: Outcome, signed_with: Pair) -> Outcome:
        if outcome in (SIGNATURE_REFUSED, WRONG_KEY) and signed_with != self._credentials.present():
            self._signatures_refused = 0
            return SIGNATURE_REFUSED  # that of a pair that was exchanged meanwhile
        if outcome is SIGNATURE_REFUSED:
            self._signatures_refused += 1
            if self._signatures_refused > _SIGNATURES_REFUSED_AT_MOST:
                return WRONG_SECRET
        elif isinstance(outcome, Delivered | Rejected):
            self._signatures_refused = 0
        return outcome


def _form(parameters: dict[str, str], file: bytes | None) -> dict[str, str] | aiohttp.FormData:
    if file is None:
        return parameters
    form = aiohttp.FormData(parameters)
    form.add_field("file", file, filename="update.json", content_type="application/octet-stream")
    return form


def _parameters(arguments: Mapping[str, Any], pair: Pair) -> dict[str, str]:
    parameters = {
        "api_key": pair.key.get_secret_value(),
        "format": "json",
        # Serialised once and in ASCII: signer and server cannot see different bytes.
        "json": json.dumps(arguments, separators=(",", ":"), allow_nan=False),
    }
    parameters["sig"] = signature(pair.secret.get_secret_value(), parameters)
    return parameters
