"""Judges Sailthru's answers: each becomes an outcome.

Sources: pages "Error Codes" (docs.sailthru.com/api/errors) and "HTTP Response Codes"
(getstarted.sailthru.com); pairs of code and status: api-evangelist/sailthru errors/. What to do is
ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType

from streams.delivery.rate_limit.quota import ends_this_minute
from streams.http import (
    CONNECTION_LOST,
    TIMED_OUT,
    UNREADABLE,
    http_date,
    is_too_large,
    json_object,
    retry_after,
    whole_number,
)
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Transient,
)

UNKNOWN_LIST = RetryRecord("unknown_list")
SIGNATURE_REFUSED = RetryRecord("signature_refused")
WRONG_KEY = Misconfigured(
    "wrong_key", "Set SAILTHRU_API_KEY to a valid key: Sailthru does not know it (error 3)."
)
WRONG_SECRET = Misconfigured(
    "wrong_secret",
    "Set SAILTHRU_API_SECRET to the secret that belongs to SAILTHRU_API_KEY: Sailthru refuses "
    "every signature (error 5).",
)
# The request may have taken effect all the same.
UNKNOWN_EFFECT = (TIMED_OUT, CONNECTION_LOST, UNREADABLE)

_RATE_LIMITED = Throttled("rate_limited")
_SERVER_ERROR = RetryRecord("server_error")
_BAD_TEXT = Rejected("bad_text", "a text is not valid UTF-8")
_RECIPIENT = Rejected(
    "recipient_refused", "the user has opted out or cannot be mailed", blames="account"
)
_NOT_OURS = Rejected("refused", "an error of a call that is never made here")
_REFUSED = Rejected("refused", "Sailthru refuses the request")
_NOT_AUTHORISED = Misconfigured(
    "not_authorised",
    "Check SAILTHRU_API_KEY and SAILTHRU_API_SECRET: Sailthru refuses them (HTTP 401).",
)
_OUR_MISTAKE = Misconfigured(
    "request_not_understood",
    "Check that SAILTHRU_BASE_URL is the API's own address; if it is, report a fault of this "
    "program: Sailthru does not understand its requests.",
)

# Keyed by the code's text; 99 is the catch-all and says less than the HTTP status.
BY_CODE: Mapping[str, Outcome] = MappingProxyType(
    {
        "1": _OUR_MISTAKE,
        "2": Rejected("bad_request", "a required parameter is missing"),
        "3": WRONG_KEY,
        "4": Misconfigured(
            "address_not_allowed",
            "Ask Sailthru support to put this worker's IP address on the allow-list of the account "
            "of SAILTHRU_API_KEY (error 4).",
        ),
        "5": SIGNATURE_REFUSED,
        "6": _BAD_TEXT,
        "9": _SERVER_ERROR,
        "11": Rejected("invalid_email", "not an e-mail address"),
        "12": _NOT_OURS,
        "13": _NOT_OURS,
        "14": _NOT_OURS,
        "15": UNKNOWN_LIST,
        "16": _NOT_OURS,
        "17": _NOT_OURS,
        "18": Rejected("invalid_time", "a time is not understood"),
        "21": Misconfigured(
            "account_not_approved",
            "Ask Sailthru to approve the account of SAILTHRU_API_KEY for mailing (error 21).",
        ),
        "22": Misconfigured(
            "plan_too_small",
            "Ask Sailthru for a plan that includes this call, for the account of SAILTHRU_API_KEY "
            "(error 22).",
        ),
        "32": _RECIPIENT,
        "33": _RECIPIENT,
        "34": _RECIPIENT,
        "35": _RECIPIENT,
        "36": _NOT_OURS,
        "37": _RECIPIENT,
        "41": _NOT_OURS,
        "42": _BAD_TEXT,
        "43": _RATE_LIMITED,
        "XX": _OUR_MISTAKE,
    }
)

# Used where the error code says nothing.
BY_STATUS: Mapping[int, Outcome] = MappingProxyType(
    {
        200: Rejected("refused", "an error in a successful answer"),
        400: _REFUSED,
        401: _NOT_AUTHORISED,
        403: Rejected("refused", "understood, but not allowed"),
        404: Rejected("refused", "no such thing"),
        405: _OUR_MISTAKE,
        406: _OUR_MISTAKE,
        408: TIMED_OUT,
        # Only a key that two people may share; Sailthru merges other conflicts.
        409: Rejected("key_conflict", "a key belongs to another profile", blames="account"),
    }
)

# For these the status alone decides, whoever answers: the API, or a proxy before it.
_OF_ANYBODY = frozenset({401, 405, 406, 408})


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Judges an answer; `headers` are looked up as Sailthru spells them, so any case must do.

    What Sailthru says in words may hold an e-mail address, so only its code is passed on.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _until_reset(headers)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TIMED_OUT if status == HTTPStatus.GATEWAY_TIMEOUT else _SERVER_ERROR
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _OUR_MISTAKE
    answer = json_object(body)
    if answer is None or is_too_large(status):
        return _judge_anybody(status)
    if status == HTTPStatus.OK and answer.get("error") is None:
        return Delivered()
    return _judge(status, str(answer.get("error")), headers)


def _judge_anybody(status: int) -> Outcome:
    """Judges what need not be the API's own answer: what no status leaves in doubt."""
    if is_too_large(status):
        return Rejected("too_large", f"HTTP {status}: the request is too large")
    return BY_STATUS[status] if status in _OF_ANYBODY else UNREADABLE


def _judge(status: int, code: str, headers: Mapping[str, str]) -> Outcome:
    # The documentation does not name the status, so only the failure is certain.
    unheard_of = _REFUSED if status >= HTTPStatus.BAD_REQUEST else UNREADABLE
    outcome = BY_CODE.get(code) or BY_STATUS.get(status, unheard_of)
    if outcome is _RATE_LIMITED:
        return _until_reset(headers)
    if isinstance(outcome, Rejected):
        shown = f"error {code}, " if code.isdecimal() else ""
        return replace(outcome, detail=f"{shown}HTTP {status}: {outcome.detail}")
    return outcome


def _until_reset(headers: Mapping[str, str]) -> Transient:
    # By Sailthru's own clock: ours may differ by more than the minute there is to wait.
    reset, now = reset_time(headers), service_time(headers)
    if reset is None or now is None or reset <= now or not ends_this_minute(reset, now):
        return replace(_RATE_LIMITED, after=retry_after(headers))
    return replace(_RATE_LIMITED, after=reset - now)


def reset_time(headers: Mapping[str, str]) -> float | None:
    """Returns when the current minute of the limit ends, in unix seconds."""
    seconds = whole_number(headers.get("X-Rate-Limit-Reset", ""))
    return None if seconds is None else float(seconds)


def service_time(headers: Mapping[str, str]) -> float | None:
    """Returns when Sailthru answered, in unix seconds."""
    return http_date(headers.get("Date", ""))
