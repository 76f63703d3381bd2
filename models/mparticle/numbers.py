"""Writes numbers as the ids' recipe has them, whatever version of a library writes all else.

The recipe has the shortest digits that read back as the same number; an exponent from 1e+16 on,
with its sign, and below 1e-5. orjson writes so since 3.12; up to 3.11 it wrote `1e17` for `1e+17`.
Were ids made of what the installed one writes, an upgrade would give parts new ids and deliver them
once more.
"""

from typing import Any, Final

import orjson

# Numbers that one way of writing may write unlike another: signs, zeros, thresholds, extremes.
_SPECIMENS = (
    *(0.0, -0.0, 1.0, 1e15, 1e16, 1e17, -1.5e17, 9007199254740993.0, 1e100),
    *(0.001, 1e-4, 1.5e-5, 1e-5, 9.9e-6, -1e-7, 1e-10, 5e-324, 1.7976931348623157e308),
)
# The largest exponent that repr writes and the recipe does not.
_PLAIN_EXPONENT = -5


def text(number: float) -> str:
    """Returns a number as the recipe writes it."""
    digits, _, exponent = repr(number).partition("e")
    if not exponent:
        return digits
    if int(exponent) != _PLAIN_EXPONENT:
        return f"{digits}e{int(exponent):+d}"
    sign = "-" if digits.startswith("-") else ""
    return f"{sign}0.0000{digits.strip('-').replace('.', '')}"


IS_ORJSONS: Final = all(orjson.dumps(each).decode() == text(each) for each in _SPECIMENS)
"""True if the installed orjson writes numbers as the recipe does."""


def spelled(node: Any) -> Any:
    """Returns the same JSON, but the installed orjson writes its numbers in the recipe's way."""
    if isinstance(node, dict):
        return {name: spelled(each) for name, each in node.items()}
    if isinstance(node, list):
        return [spelled(each) for each in node]
    return orjson.Fragment(text(node)) if type(node) is float else node
