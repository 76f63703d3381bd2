"""What each answer of Sailthru means, case by case."""

from typing import Any

import orjson
import pytest

from agents.sailthru import errors
from agents.sailthru.errors import classify
from streams.outcomes import Delivered, Misconfigured, Outcome, Rejected, RetryRecord, Throttled

HEADERS = {
    "Date": "Thu, 01 Jan 2026 00:00:18 GMT",
    "X-Rate-Limit-Limit": "18000",
    "X-Rate-Limit-Remaining": "0",
    "X-Rate-Limit-Reset": "1767225660",
}
UNTIL_RESET = Throttled("rate_limited", after=42.0)

CODES = [
    (405, 1, "blocked request_not_understood"),
    (400, 2, "rejected bad_request"),
    (401, 3, "blocked wrong_key"),
    (403, 4, "blocked address_not_allowed"),
    (401, 5, "retry signature_refused"),
    (400, 6, "rejected bad_text"),
    (500, 9, "retry server_error"),
    (400, 9, "retry server_error"),
    (400, 11, "rejected invalid_email"),
    (400, 12, "rejected refused"),
    (400, 13, "rejected refused"),
    (400, 14, "rejected refused"),
    (404, 15, "retry unknown_list"),
    (400, 16, "rejected refused"),
    (400, 17, "rejected refused"),
    (400, 18, "rejected invalid_time"),
    (403, 21, "blocked account_not_approved"),
    (403, 22, "blocked plan_too_small"),
    (400, 32, "rejected recipient_refused"),
    (400, 33, "rejected recipient_refused"),
    (400, 34, "rejected recipient_refused"),
    (400, 35, "rejected recipient_refused"),
    (400, 36, "rejected refused"),
    (400, 37, "rejected recipient_refused"),
    (400, 41, "rejected refused"),
    (400, 42, "rejected bad_text"),
    (429, 43, "retry rate_limited"),
    (400, 43, "retry rate_limited"),
    (400, 99, "rejected refused"),
    (403, 99, "rejected refused"),
    (404, 99, "rejected refused"),
    (405, 99, "blocked request_not_understood"),
    (406, 99, "blocked request_not_understood"),
    (409, 99, "rejected key_conflict"),
    (413, 99, "rejected too_large"),
    (418, 99, "rejected refused"),
    (503, 99, "retry server_error"),
    (401, 99, "blocked not_authorised"),
    (400, "XX", "blocked request_not_understood"),
    (401, "3", "blocked wrong_key"),
    (400, 12345, "rejected refused"),
    (400, ["odd"], "rejected refused"),
    # Failure inside a success.
    (200, 11, "rejected invalid_email"),
    (200, 99, "rejected refused"),
    (200, 0, "rejected refused"),
    (200, 43, "retry rate_limited"),
]

STATUSES = [
    (200, b"", "retry unreadable_answer"),
    (200, b"<html>welcome</html>", "retry unreadable_answer"),
    (200, b'["ok"]', "retry unreadable_answer"),
    (200, b'{"ok":tr', "retry unreadable_answer"),
    (201, b'{"ok":true}', "retry unreadable_answer"),
    (204, b"", "retry unreadable_answer"),
    (301, b"", "blocked request_not_understood"),
    (307, b"{}", "blocked request_not_understood"),
    (400, b"{}", "rejected refused"),
    (400, b"<html>", "retry unreadable_answer"),
    (401, b"", "blocked not_authorised"),
    (403, b"<html>forbidden</html>", "retry unreadable_answer"),
    (404, b"", "retry unreadable_answer"),
    (408, b"{}", "retry timed_out"),
    (429, b"", "retry rate_limited"),
    (500, b"", "retry server_error"),
    (502, b"<html>bad gateway</html>", "retry server_error"),
    (503, b"", "retry server_error"),
    (504, b"", "retry timed_out"),
]

KINDS: dict[type[Outcome], str] = {
    RetryRecord: "retry",
    Throttled: "retry",
    Rejected: "rejected",
    Misconfigured: "blocked",
}


def kind_and_reason(outcome: Outcome) -> str:
    assert not isinstance(outcome, Delivered)
    return f"{KINDS[type(outcome)]} {outcome.reason}"


@pytest.mark.parametrize(("status", "code", "meaning"), CODES)
def test_code_is_judged(status: int, code: Any, meaning: str) -> None:
    body = orjson.dumps({"error": code, "errormsg": "Invalid email: user17@shop.example"})
    outcome = classify(status, HEADERS, body)
    assert kind_and_reason(outcome) == meaning
    assert "user17" not in repr(outcome)


def test_every_code_and_status_of_the_tables_has_a_case() -> None:
    assert {str(code) for _, code, _ in CODES} >= errors.BY_CODE.keys() | {"99"}
    judged = {status for status, _, _ in (*CODES, *STATUSES)}
    assert judged >= errors.BY_STATUS.keys() | {429, 500, 502, 503, 504}


@pytest.mark.parametrize(("status", "body", "meaning"), STATUSES)
def test_status_is_judged_where_there_is_no_code(status: int, body: bytes, meaning: str) -> None:
    assert kind_and_reason(classify(status, HEADERS, body)) == meaning


@pytest.mark.parametrize(
    "body", [b'{"ok":true}', b"{}", b'{"list":"All","list_id":"1"}', b'{"error":null}']
)
def test_success_without_an_error_is_delivered(body: bytes) -> None:
    assert classify(200, {}, body) == Delivered()


def test_rejection_shows_code_and_status() -> None:
    assert classify(400, {}, b'{"error":11}') == Rejected(
        "invalid_email", "error 11, HTTP 400: not an e-mail address"
    )
    assert classify(409, {}, b"{}") == Rejected(
        "key_conflict", "HTTP 409: a key belongs to another profile", blames="account"
    )


@pytest.mark.parametrize("body", [b"", b'{"error":43,"errormsg":"Too many"}'])
def test_rate_limit_closes_the_endpoint_until_the_service_says(body: bytes) -> None:
    assert classify(429, HEADERS, body) == UNTIL_RESET


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Rate-Limit-Reset": "1767225660"},
        HEADERS | {"Date": "yesterday"},
        HEADERS | {"X-Rate-Limit-Reset": "soon"},
        HEADERS | {"X-Rate-Limit-Reset": "1767225600"},
        HEADERS | {"X-Rate-Limit-Reset": "1767225660000"},
        HEADERS | {"X-Rate-Limit-Reset": "1767229260"},
    ],
    ids=["none", "no date", "odd date", "odd reset", "past", "milliseconds", "an hour ahead"],
)
def test_rate_limit_without_a_usable_reset_leaves_the_wait_to_the_caller(
    headers: dict[str, str],
) -> None:
    assert classify(429, headers, b"") == Throttled("rate_limited", after=None)


def test_every_block_says_what_to_do() -> None:
    answers = [classify(status, {}, orjson.dumps({"error": code})) for status, code, _ in CODES]
    blocks = [answer for answer in answers if isinstance(answer, Misconfigured)]
    assert blocks
    for block in blocks:
        assert block.what_to_do.split()[0] in {"Set", "Ask", "Check"}
        assert block.what_to_do.endswith(".")
        assert block.what_to_do.count(". ") == 0
