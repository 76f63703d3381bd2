"""What the services answer can be anything: it has an outcome, and raises nothing."""

from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ab_tasty.client import classify as ab_tasty
from agents.ab_tasty.token import Grant, judge
from agents.sailthru.client import quota
from agents.sailthru.errors import classify as sailthru
from streams.delivery.rate_limit.quota import Quota
from streams.http import Answer
from streams.outcomes import Delivered, Rejected, Transient
from tests.streams.properties import SMALL

PAGE = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
DATE = "Thu, 01 Jan 2026 00:00:18 GMT"

# Numbers, dates and texts as services, proxies and nobody at all write them.
_ODD = st.one_of(
    st.text(st.characters(codec="latin-1"), max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from("0123456789").map(lambda digit: digit * 5_000),
    st.integers(1, 10**9).map(lambda year: f"Mon, 05 Jan {year} 10:00:00 GMT"),
    st.integers(-(10**9), 10**9).map(lambda zone: f"Mon, 05 Jan 2026 10:00:00 {zone:+05d}"),
    st.sampled_from([DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "½", "²"]),
)
_HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Date",
            "Retry-After",
            "X-Rate-Limit-Limit",
            "X-Rate-Limit-Remaining",
            "X-Rate-Limit-Reset",
        ]
    ),
    _ODD,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errormsg", "ok", "access_token", "expires_in", "x"]), inner
        )
    ),
    max_leaves=8,
)
_BODIES = st.binary(max_size=60) | _JSON.map(orjson.dumps)
_STATUSES = st.sampled_from([200, 202, 400, 413, 429, 503]) | st.integers(100, 999)


@given(_STATUSES, _HEADERS, _BODIES)
@SMALL
def test_every_answer_has_an_outcome_and_asks_for_a_bounded_wait(
    status: int, headers: Mapping[str, str], body: bytes
) -> None:
    outcomes = [
        sailthru(status, headers, body),
        *(ab_tasty(status, headers, body, at) for at in ("segments", "membership", "subscription")),
    ]
    judged = judge(Answer(status, headers, body))
    if not isinstance(judged, Grant):
        outcomes.append(judged)
    for outcome in outcomes:
        if isinstance(outcome, Transient) and outcome.after is not None:
            assert 0 <= outcome.after <= 3600


@given(_HEADERS)
@SMALL
def test_every_rate_header_is_read_or_ignored(headers: Mapping[str, str]) -> None:
    said = quota(headers, took=0.1)
    assert said is None or 0 < said.limit < 10**9


@pytest.mark.parametrize("body", [PAGE, b"", b"{}", b'{"error":99}', b"\xff\xfe"])
@pytest.mark.parametrize("status", [413, 414, 431])
def test_what_a_proxy_finds_too_large_is_too_large_at_once(status: int, body: bytes) -> None:
    for outcome in (
        sailthru(status, {}, body),
        ab_tasty(status, {}, body, "segments"),
        ab_tasty(status, {}, body, "membership"),
    ):
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        '{"error":11,"errormsg":"Ung\u00fcltige Adresse"}'.encode("latin-1"),
        '\ufeff{"error":11,"errormsg":"Ung\u00fcltige Adresse"}'.encode(),
    ],
    ids=["latin-1", "byte order mark"],
)
def test_an_error_is_read_for_its_code_whatever_its_text_is_written_in(body: bytes) -> None:
    outcome = sailthru(400, {}, body)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "invalid_email"


def test_a_success_with_a_text_in_latin_1_is_delivered() -> None:
    assert sailthru(200, {}, '{"ok":true,"list":"\u00c9t\u00e9"}'.encode("latin-1")) == Delivered()


@pytest.mark.parametrize("lives", [0, -1, -43_200, True, "soon", None, []])
def test_a_token_that_does_not_say_how_long_it_lives_lives_until_it_is_refused(
    lives: object,
) -> None:
    body = orjson.dumps({"access_token": "t", "expires_in": lives})
    assert judge(Answer(200, {}, body)) == Grant("t", float("inf"))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Limit": "9" * 5_000, "Remaining": "7"}, None),
        ({"Limit": "2400", "Remaining": "9" * 5_000}, Quota(2400, took=0.5)),
        ({"Limit": "2400", "Remaining": "2401"}, Quota(2400, took=0.5)),
        ({"Limit": "\N{SUPERSCRIPT TWO}"}, None),
        ({"Limit": "\N{ARABIC-INDIC DIGIT SEVEN}"}, None),
        ({"Limit": "0"}, None),
    ],
)
def test_numbers_that_cannot_be_are_no_numbers(headers: dict[str, str], said: Quota | None) -> None:
    assert quota({f"X-Rate-Limit-{name}": text for name, text in headers.items()}, 0.5) == said
