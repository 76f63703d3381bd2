"""One request to the webhook: a body in, a named outcome out."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from streams.http import Answer, Http, is_success, is_too_large, is_transient, retry_after
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)

from .settings import WebhookSettings

_WRONG_TOKEN = Misconfigured(
    "unauthorized", "Check WEBHOOK_TOKEN: the address of WEBHOOK_URL refuses it."
)
# RFC 9110, section 15: what each of them says of the request, or of who sends it.
_REFUSED: Mapping[int, Outcome] = {
    **{status: Rejected("refused", f"HTTP {status}") for status in (400, 409, 422)},
    **dict.fromkeys((401, 403), _WRONG_TOKEN),
}


def classify(status: int, headers: Mapping[str, str]) -> Outcome:
    """Names how a request ended; what the answer says in words may quote a record."""
    if is_success(status):
        return Delivered()
    if is_transient(status):
        return _wait(status, retry_after(headers))
    if is_too_large(status):
        return Rejected("too_large", f"HTTP {status}")
    # What nobody foresees may hit every record: hold, rather than empty the topic.
    return _REFUSED.get(status) or Misconfigured(
        f"http_{status}", f"Check WEBHOOK_URL: it answers HTTP {status}."
    )


def _wait(status: int, after: float | None) -> Outcome:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(f"http_{status}", after)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and after is not None:
        return Unavailable(f"http_{status}", after)
    return RetryRecord(f"http_{status}", after)


async def post(http: Http, settings: WebhookSettings, records: Sequence[dict[str, Any]]) -> Outcome:
    """Tries once."""
    headers = {"Content-Type": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    answer = await http.request("POST", settings.url, headers=headers, data=orjson.dumps(records))
    return classify(answer.status, answer.headers) if isinstance(answer, Answer) else answer
