"""Numbers lose no digit, whichever of the two parsers reads them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mparticle import numbers
from models.mparticle.parsing import parse
from models.mparticle.values import NumberText

_numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_json = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


def _with_types(node: Any) -> Any:
    """Tells 1 from 1.0 and True, and a number's text from other text."""
    if isinstance(node, dict):
        return {name: _with_types(each) for name, each in node.items()}
    if isinstance(node, list):
        return [_with_types(each) for each in node]
    return type(node), node


@given(_json)
@settings(max_examples=200, derandomize=True)
def test_a_message_is_the_same_however_it_is_written(message: Any) -> None:
    """Compact it is read by one parser, with spaces by the other."""
    compact = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    spaced = json.dumps(message, ensure_ascii=False, indent=1)

    assert _with_types(parse(compact.encode())) == _with_types(parse(spaced.encode()))


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-9223372036854775808",
        "18446744073709551615",
        "149.9",
        "10.0",
        "-0.0",
        "1.5e+300",
        "1.5e-7",
    ],
)
def test_a_number_that_can_be_repeated_is_a_number(text: str, space: str) -> None:
    number = parse(f'{{"n":{space}{text}}}'.encode())["n"]

    assert type(number) in (int, float)
    assert (numbers.text(number) if type(number) is float else str(number)) == text


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize(
    "text",
    [
        "-9223372036854775809",
        "18446744073709551616",
        "12345678901234567890123",
        "1.50",
        "1E+3",
        "1e400",
        "0.1000000000000000055511151231257827",
    ],
)
def test_a_number_that_cannot_be_repeated_stays_text(text: str, space: str) -> None:
    number = parse(f'{{"n":{space}{text}}}'.encode())["n"]

    assert type(number) is NumberText
    assert number == text


@pytest.mark.parametrize(
    "text",
    ["\\ud83d", "\\ude00\\ud83d", "a\\u0000b", "\\ud83d\\ude00", "\\u00e9", "<\\u003c>"],
)
def test_text_means_the_same_beside_numbers_of_any_form(text: str) -> None:
    """One message is read by orjson, the other by the standard library."""
    plain, decimal = (parse(f'{{"t":"{text}","n":{n}}}'.encode()) for n in ("1", "1.50"))

    assert plain["t"] == decimal["t"]
    assert "\0" not in plain["t"]
    plain["t"].encode()
