"""Times as mParticle and its senders write them: milliseconds, or what was taken for them.

Between September 2001 and November 2286 each unit has a number of digits of its own, so whatever
lies there is told by its length: 10 digits are seconds, 13 milliseconds, 16 microseconds and 19
nanoseconds; 12 are milliseconds that lost their last digit, as a published sample has them
(`anthonyw-mparticle/custom-rules`). As milliseconds they would lie before mParticle was. Whatever
else is not told apart: 11 and 14 digits, a date without a time of day, words.
"""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import PlainValidator

from models.mparticle.values import Ordinary

UNREADABLE: Final = -1
"""Stands for a time that is written and cannot be read."""

_NOTHING = (None, 0, "")
_FIRST, _END = 10**12, 10**13
# Digits of a time -> what makes milliseconds of it: a factor, or a divisor.
_FACTORS = {10: 1_000, 12: 10}
_DIVISORS = {13: 1, 16: 1_000, 19: 1_000_000}
_LONGEST = 40
_NUMBER = re.compile(r"([0-9]{10,19})(\.[0-9]+)?", re.ASCII)
# As Java writes a double: 1.79E12.
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,2}", re.ASCII)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", re.ASCII)


def milliseconds(value: object) -> int | None:
    """Returns a time in milliseconds since the epoch; None where the value says nothing sure."""
    if type(value) is int:
        return value if _FIRST <= value < _END else _whole(value)
    if isinstance(value, str):
        return _text(value.strip()) if len(value) <= _LONGEST else None
    if isinstance(value, float) and math.isfinite(value):
        return _whole(int(value), value % 1)
    return None


def known_ms(at_ms: int | None) -> int | None:
    """Returns a `Millis`, or None where there is none that can be read."""
    return at_ms if at_ms is None or at_ms > 0 else None


def _whole(number: int, fraction: float = 0.0) -> int | None:
    digits = len(str(number)) if 0 < number < 10**19 else 0
    if (divisor := _DIVISORS.get(digits)) is not None:
        return number // divisor
    if (factor := _FACTORS.get(digits)) is not None:
        return number * factor + int(fraction * factor)
    return None


def _text(text: str) -> int | None:
    if plain := _NUMBER.fullmatch(text):
        return _whole(int(plain[1]), float(plain[2] or 0))
    if _SCIENTIFIC.fullmatch(text):
        number = Decimal(text)
        return _whole(int(number), float(number % 1))
    if not _ISO.match(text):
        return None
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    # Without an offset it is UTC, as all of mParticle's times are.
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    at_ms = math.floor(seconds * 1000)
    return at_ms if _FIRST <= at_ms < _END else None


def _millis(value: object) -> int | None:
    if (at_ms := milliseconds(value)) is not None:
        return at_ms
    says_nothing = value in _NOTHING or (isinstance(value, str) and value.strip() in ("", "0"))
    return None if says_nothing else UNREADABLE


Millis = Annotated[
    int | None,
    PlainValidator(_millis),
    Ordinary(f"type(value) is int and {_FIRST} <= value < {_END}"),
]
"""A time in milliseconds; None where nothing is said, `UNREADABLE` where it cannot be read."""
