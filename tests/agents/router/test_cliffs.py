"""What a message costs must not hang on how its sender's library writes JSON."""

import json
import sys
from types import FrameType
from typing import Any

import pytest

from tests.agents.router.routing import routed

_NAMES = ("sku", "store", "size", "colour", "channel", "season", "shelf", "brand")


def _message(total: str = "3", word: str = "tea") -> str:
    attributes = {name: f"{name} of {word}" for name in _NAMES}
    event = {
        "event_name": "bought",
        "event_id": 7,
        "timestamp_unixtime_ms": 1_760_000_000_000,
        "custom_attributes": attributes | {"total": "@"},
    }
    message = {
        "message_id": "m-1",
        "mpid": "5",
        "timestamp_unixtime_ms": 1_760_000_000_000,
        "user_identities": [{"identity_type": "email", "identity": "a@shop.example"}],
        "user_attributes": attributes,
        "events": [{"event_type": "custom_event", "data": event}] * 2,
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).replace('"@"', total)


_COMPACT = _message()


def _calls(text: str) -> int:
    """How many functions run to route a message: the same on any machine, however busy it is."""
    message, calls = text.encode(), 0
    routed(message)

    def count(_frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        routed(message)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.loads(_COMPACT)),
        json.dumps(json.loads(_COMPACT), indent=2),
        _message(total="149.9"),
        _message(total="149.90"),
        _message(total="1E+3"),
        _message(total="12345678901234567890123"),
        _message(word="thé"),
        json.dumps(json.loads(_message(word="thé"))),
        json.dumps(json.loads(_message(word="🍵"))),
        _message(word="a\\u003cb"),
        _message(word='a\\"b'),
        _message(word="a\\/b"),
    ],
    ids=[
        *("spaces", "lines", "decimal", "price", "exponent", "long integer"),
        *("accents", "escaped accents", "escaped pairs", "escaped signs", "quotes", "slashes"),
    ],
)
def test_an_ordinary_spelling_costs_no_more_than_half_as_much_again(text: str) -> None:
    assert _calls(text) <= 1.5 * _calls(_COMPACT)
