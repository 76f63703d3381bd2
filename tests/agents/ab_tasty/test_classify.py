import pytest

from agents.ab_tasty.client import classify
from streams.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)

ALL = ("segments", "membership", "subscription")
MESSAGES = ("membership", "subscription")
NO_HEADERS: dict[str, str] = {}
IN_TWO_MINUTES = {
    "Date": "Thu, 01 Jan 2026 10:00:00 GMT",
    "Retry-After": "Thu, 01 Jan 2026 10:02:00 GMT",
}
PAST = {"Date": "Thu, 01 Jan 2026 10:00:00 GMT", "Retry-After": "Thu, 01 Jan 2026 09:00:00 GMT"}
SUSPEND = b'{"suspend_subscription": true}'
DO_NOT = b'{"suspend_subscription": false}'

TABLE: list[tuple[tuple[str, ...], int, dict[str, str], bytes, Outcome]] = [
    (ALL, 200, NO_HEADERS, b"", Delivered()),
    (ALL, 202, NO_HEADERS, b'{"status": "queued"}', Delivered()),
    (ALL, 204, NO_HEADERS, b"", Delivered()),
    (ALL, 202, NO_HEADERS, DO_NOT, Delivered()),
    (ALL, 202, NO_HEADERS, b"[true]", Delivered()),
    (("segments",), 202, NO_HEADERS, SUSPEND, Delivered()),
    (ALL, 408, NO_HEADERS, b"", RetryRecord("http_408")),
    (ALL, 429, NO_HEADERS, b"", Throttled("http_429", None)),
    (ALL, 429, {"Retry-After": "7"}, b"", Throttled("http_429", 7.0)),
    (ALL, 429, IN_TWO_MINUTES, b"", Throttled("http_429", 120.0)),
    (ALL, 429, PAST, b"", Throttled("http_429", 0.0)),
    (ALL, 429, {"Retry-After": "soon"}, b"", Throttled("http_429", None)),
    (ALL, 429, {"Retry-After": "-7"}, b"", Throttled("http_429", None)),
    (
        ALL,
        429,
        {"Retry-After": "\N{ARABIC-INDIC DIGIT SEVEN}"},
        b"",
        Throttled("http_429", None),
    ),
    (ALL, 500, NO_HEADERS, b"", RetryRecord("http_500")),
    (ALL, 500, {"Retry-After": "7"}, b"", RetryRecord("http_500", 7.0)),
    (ALL, 502, NO_HEADERS, b"", RetryRecord("http_502")),
    (ALL, 503, NO_HEADERS, b"", RetryRecord("http_503")),
    (ALL, 503, {"Retry-After": "7"}, b"", Unavailable("http_503", 7.0)),
    (ALL, 503, IN_TWO_MINUTES, b"", Unavailable("http_503", 120.0)),
    (ALL, 504, NO_HEADERS, b"", RetryRecord("http_504")),
    (ALL, 599, NO_HEADERS, b"", RetryRecord("http_599")),
    (ALL, 400, NO_HEADERS, b"", Rejected("refused_rows", "HTTP 400")),
    (ALL, 413, NO_HEADERS, b"", Rejected("too_large", "HTTP 413")),
    (ALL, 422, NO_HEADERS, b"", Rejected("refused_rows", "HTTP 422")),
    (("segments", "membership"), 409, NO_HEADERS, b"", Rejected("refused_rows", "HTTP 409")),
    (("subscription",), 409, NO_HEADERS, b"", Delivered()),
]


@pytest.mark.parametrize(
    ("endpoint", "status", "headers", "body", "outcome"),
    [(endpoint, *rest) for endpoints, *rest in TABLE for endpoint in endpoints],
)
def test_an_answer_has_one_outcome(
    endpoint: str, status: int, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    assert classify(status, headers, body, endpoint) == outcome


@pytest.mark.parametrize(
    ("endpoint", "status", "body", "reason", "names"),
    [
        ("segments", 401, b"", "unauthorized", "ABTASTY_CLIENT_SECRET"),
        ("segments", 403, b"", "forbidden", "Send and get third party segments"),
        ("segments", 404, b"", "not_found", "ABTASTY_PARTNER_NAME"),
        ("segments", 415, b"", "media_type", "ABTASTY_BODY_FORMAT"),
        *(
            ("membership", status, b"", reason, "ABTASTY_API_KEY")
            for status, reason in ((401, "unauthorized"), (403, "forbidden"))
        ),
        *((endpoint, 404, b"", "not_found", "ABTASTY_BASE_URL") for endpoint in MESSAGES),
        *((endpoint, 415, b"", "media_type", "ABTASTY_BASE_URL") for endpoint in MESSAGES),
        *((endpoint, 200, SUSPEND, "suspended", "resumed") for endpoint in MESSAGES),
        *(
            (endpoint, status, b"", "unexpected_answer", f"HTTP {status}")
            for endpoint in ALL
            for status in (301, 307, 405, 410, 451)
        ),
    ],
)  # fmt: skip - one row, one line
def test_what_a_person_must_mend_blocks_and_says_what_to_set(
    endpoint: str, status: int, body: bytes, reason: str, names: str
) -> None:
    outcome = classify(status, NO_HEADERS, body, endpoint)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason
    assert names in outcome.what_to_do


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404, 409, 413, 415, 418, 422, 429, 500])
@pytest.mark.parametrize("endpoint", ALL)
def test_an_outcome_never_repeats_what_the_answer_says(endpoint: str, status: int) -> None:
    body = b'{"message": "user17@shop.example is not taken", "suspend_subscription": true}'
    assert "user17" not in repr(classify(status, NO_HEADERS, body, endpoint))
