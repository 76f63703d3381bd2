"""One request to AB Tasty: credentials in, a named outcome out."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from agents.ab_tasty.calls import Post
from agents.ab_tasty.firehose import MEMBERSHIP, SUBSCRIPTION
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.token import HIDDEN, TokenSource
from agents.ab_tasty.udc import SEGMENTS
from streams.delivery.rate_limit.limiter import Pacer
from streams.fencing import FencedError
from streams.http import (
    Answer,
    Http,
    is_success,
    is_too_large,
    is_transient,
    json_object,
    retry_after,
)
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Transient,
    Unavailable,
)

# Sources: AB Tasty docs, "Universal data connector API"; mParticle docs, "HTTP Integrations".
# For udc only 202, 413 and 415 are known, and at second hand; the rest is HTTP's own meaning.
_REFUSED: Mapping[int, Outcome] = {
    400: Rejected("refused_rows", "HTTP 400"),
    409: Rejected("refused_rows", "HTTP 409"),
    422: Rejected("refused_rows", "HTTP 422"),
}
_UDC: Mapping[int, Outcome] = {
    **_REFUSED,
    401: Misconfigured(
        "unauthorized",
        "Check that ABTASTY_CLIENT_ID and ABTASTY_CLIENT_SECRET (or ABTASTY_API_KEY) belong to the "
        "account of ABTASTY_ACCOUNT_ID: AB Tasty refuses them.",
    ),
    403: Misconfigured(
        "forbidden",
        "Give the credential of ABTASTY_CLIENT_ID the role 'Send and get third party segments', "
        "and ask AB Tasty whether the Universal Data Connector is switched on for the account and "
        "takes ABTASTY_PARTNER_NAME: it refuses the upload.",
    ),
    404: Misconfigured(
        "not_found",
        "Check ABTASTY_ACCOUNT_ID (the account's identifier, not its number) and "
        "ABTASTY_PARTNER_NAME: AB Tasty does not know this address.",
    ),
    415: Misconfigured(
        "media_type", "Set ABTASTY_BODY_FORMAT to the other format: AB Tasty does not take it."
    ),
}
_KEY = "Check ABTASTY_API_KEY, ABTASTY_API_KEY_SETTING and ABTASTY_AUTH: AB Tasty refuses the key."
_FIREHOSE: Mapping[int, Outcome] = {
    **_REFUSED,
    401: Misconfigured("unauthorized", _KEY),
    403: Misconfigured("forbidden", _KEY),
    404: Misconfigured(
        "not_found",
        "Check ABTASTY_BASE_URL, ABTASTY_PATH_TEMPLATE, ABTASTY_MEMBERSHIP_PATH and "
        "ABTASTY_SUBSCRIPTION_PATH: AB Tasty does not know this address.",
    ),
    415: Misconfigured(
        "media_type", "Check ABTASTY_BASE_URL: AB Tasty takes no JSON at this address."
    ),
}
_ENDINGS: Mapping[str, Mapping[int, Outcome]] = {
    SEGMENTS: _UDC,
    MEMBERSHIP: _FIREHOSE,
    # It knows the audience already; so documented by another partner of mParticle's (Talon.One).
    SUBSCRIPTION: {**_FIREHOSE, 409: Delivered()},
}
_SUSPENDED = Misconfigured(
    "suspended",
    "Ask AB Tasty why it suspends the subscription of ABTASTY_ACCOUNT_ID at ABTASTY_BASE_URL, and "
    "have it resumed: its answer asks to stop.",
)


def classify(status: int, headers: Mapping[str, str], body: bytes, endpoint: str) -> Outcome:
    """Names how a request to one of the endpoints ended; the answer's body is never repeated."""
    if is_success(status):
        return _SUSPENDED if endpoint != SEGMENTS and _suspends(body) else Delivered()
    if is_transient(status):
        after = retry_after(headers)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(f"http_{status}", after)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and after is not None:
            return Unavailable(f"http_{status}", after)
        return RetryRecord(f"http_{status}", after)
    if is_too_large(status):
        return Rejected("too_large", f"HTTP {status}")
    # An undocumented refusal may hit every record: hold, rather than drain the topic.
    return _ENDINGS[endpoint].get(status) or Misconfigured(
        "unexpected_answer",
        f"Check ABTASTY_BASE_URL and ABTASTY_PATH_TEMPLATE: AB Tasty answers HTTP {status}, which "
        "nothing documents.",
    )


def _suspends(body: bytes) -> bool:
    said = json_object(body)
    return said is not None and said.get("suspend_subscription") is True


class Client:
    """Sends one post at a time as the settings authenticate it."""

    def __init__(self, settings: AbTastySettings, http: Http, pacer: Pacer) -> None:
        self._settings = settings
        self._http = http
        self._pacer = pacer
        self._auth, self._header = settings.auth_method, settings.header_name
        self._tokens = TokenSource(settings, http) if self._auth == "oauth" else None

    async def send(self, post: Post) -> Outcome:
        answer = await self._authenticated(post)
        if (
            self._tokens is not None
            and isinstance(answer, Answer)
            and answer.status == HTTPStatus.UNAUTHORIZED
        ):
            # The token was old or is revoked; a fresh one tells.
            if (seconds := self._pacer.reserve(post.endpoint)) > 0:
                return Throttled("rate_limited", seconds)
            answer = await self._authenticated(post)
        if not self._pacer.may_send():
            # It was frozen while it waited. Who has the partition now may have sent what came
            # after, and what becomes of these members is not for this worker to write down.
            raise FencedError
        if not isinstance(answer, Answer):
            return answer
        return classify(answer.status, answer.headers, answer.body, post.endpoint)

    async def close(self) -> None:
        if self._tokens is not None:
            await self._tokens.close()

    async def _authenticated(self, post: Post) -> Answer | Transient | Misconfigured:
        if self._tokens is None:
            return await self._exchange(post, None)
        token = await self._tokens.get()
        if not isinstance(token, str):
            return token
        answer = await self._exchange(post, token)
        if isinstance(answer, Answer) and answer.status == HTTPStatus.UNAUTHORIZED:
            self._tokens.discard(token)
        return answer

    async def _exchange(self, post: Post, token: str | None) -> Answer | Transient | Misconfigured:
        settings = self._settings
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        headers = {"Content-Type": "text/csv" if isinstance(post.body, str) else "application/json"}
        if token is not None:
            headers[self._header] = f"Bearer {token}"
        elif self._auth == "header_key":
            headers[self._header] = key
        body = with_key(post.body, settings, key)
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        return await self._http.request("POST", post.url, headers=headers, data=content)


def with_key(
    body: str | list[Any] | dict[str, Any], settings: AbTastySettings, key: str = HIDDEN
) -> str | list[Any] | dict[str, Any]:
    """Puts the customer's key where mParticle's messages carry it; hidden unless it is given."""
    if not isinstance(body, dict) or settings.auth_method != "body_key":
        return body
    account = {**body["account"], "account_settings": {settings.api_key_setting: key}}
    return {**body, "account": account}
