"""The OAuth token that every request of a worker shares."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from agents.ab_tasty.settings import AbTastySettings
from streams import clocks
from streams.http import (
    Answer,
    Http,
    is_success,
    is_transient,
    json_object,
    retry_after,
    whole_number,
)
from streams.outcomes import Misconfigured, Throttled, Transient, Unavailable

HIDDEN = "***"

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
# A token lives 12 hours in the published sample ("Public API Documentation", AB Tasty developer
# portal). It is renewed in the last fifth of its life, at the latest 5 minutes before it ends.
_RENEW_SECONDS = 300.0
_RENEW_SHARE = 0.2
# While a renewal fails and the old token still lives.
_RENEWAL_PAUSE_SECONDS = 10.0
# Used for as long at least, whatever is said of it: a token for each request is none.
_MIN_LIFE_SECONDS = 60.0

Token = str | Transient | Misconfigured


@dataclass(frozen=True, slots=True)
class Grant:
    """A token as its route gave it; `expires_in` is in seconds, endless where it did not say."""

    token: str = field(repr=False)
    expires_in: float


def judge(answer: Answer) -> Grant | Transient | Misconfigured:
    """Reads the token route's answer.

    Without a token nothing passes at all, so every wait is the endpoint's and not one request's.
    """
    status = answer.status
    if is_transient(status):
        throttled = status == HTTPStatus.TOO_MANY_REQUESTS
        waits = Throttled if throttled else Unavailable
        return waits("token_route", retry_after(answer.headers))
    if status in {400, 401, 403}:
        return Misconfigured(
            "token_refused",
            "Check ABTASTY_CLIENT_ID and ABTASTY_CLIENT_SECRET on AB Tasty's Public API page: it "
            f"gives no token for them (HTTP {status}).",
        )
    grant = _grant(answer.body) if is_success(status) else None
    return grant or Misconfigured(
        "token_route",
        f"Check ABTASTY_TOKEN_URL: it does not answer as a token route does (HTTP {status}).",
    )


def _grant(body: bytes) -> Grant | None:
    match json_object(body):
        case {"access_token": str(token), **said} if token and token.isprintable():
            return Grant(token, _lifetime(said.get("expires_in")))
    return None


def _lifetime(said: object) -> float:
    """Seconds; endless where none are said, or none are left, as nobody gives out such a token.

    It is refused when it has ended after all, and another is fetched.
    """
    match said:
        case str():
            seconds = float(whole_number(said) or 0)
        case int() | float() if not isinstance(said, bool):
            seconds = float(said)
        case _:
            return math.inf
    return max(seconds, _MIN_LIFE_SECONDS) if seconds > 0 else math.inf


def token_call(settings: AbTastySettings) -> Mapping[str, Any]:
    """Shows the call that fetches a token."""
    return {"method": "POST", "url": settings.token_url, "body": _credentials(settings, HIDDEN)}


def _credentials(settings: AbTastySettings, secret: str) -> dict[str, str]:
    return {
        "client_id": settings.client_id or "",
        "client_secret": secret,
        "grant_type": "client_credentials",
    }


class TokenSource:
    """Fetches a token once for all who wait for it, and again when it is used up or refused."""

    def __init__(
        self,
        settings: AbTastySettings,
        http: Http,
        clock: Callable[[], float] = clocks.monotonic,
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._token: str | None = None
        self._renew_at = self._ends_at = 0.0
        self._fetching: asyncio.Task[Transient | Misconfigured | None] | None = None

    async def get(self) -> Token:
        """Returns a token to use now, or why there is none."""
        if self._token and self._clock() < self._renew_at:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        # One who is cancelled must not take the token away from the others.
        failure = await asyncio.shield(self._fetching)
        if self._token and self._clock() < self._ends_at:
            return self._token
        return failure or Unavailable("token_route")

    def discard(self, token: str) -> None:
        """Forgets a token that was refused, unless another has taken its place already."""
        if token == self._token:
            self._token = None

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> Transient | Misconfigured | None:
        asked_at = self._clock()
        secret = self._settings.client_secret
        assert secret is not None, "the settings ask for it where tokens are used"
        body = orjson.dumps(_credentials(self._settings, secret.get_secret_value()))
        answer = await self._http.request(
            "POST", self._settings.token_url, headers=_HEADERS, data=body
        )
        granted = judge(answer) if isinstance(answer, Answer) else answer
        if isinstance(answer, Transient):
            granted = Unavailable(answer.reason, answer.after)
        if not isinstance(granted, Grant):
            self._renew_at = min(self._clock() + _RENEWAL_PAUSE_SECONDS, self._ends_at)
            return granted
        lives = granted.expires_in
        self._token = granted.token
        self._ends_at = asked_at + lives
        self._renew_at = self._ends_at - min(_RENEW_SECONDS, lives * _RENEW_SHARE)
        return None
