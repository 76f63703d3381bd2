"""Blanks secrets in the bytes of a message: `account_settings`, and an event batch's API keys.

The bytes may be anything: cut off, broken, UTF-16. The rest of them stays as it came. The work is
linear in the bytes, whatever they are made of.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from models.mparticle.event_batch import BATCH_FIELDS
from models.mparticle.parsing import SETTINGS, UnreadableMessageError, reject_too_many_values

_KEY = "api_key"
_KEYS = frozenset({_KEY, "api_keys"})
# What has one of these at its top is a message, and no wrapper of messages.
_OF_MESSAGES = BATCH_FIELDS | {"user_profiles"}
_UNICODE = "\\u"
# In this order: what is little-endian looks big-endian, and the other way round, one byte further.
_WIDE = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_BLANK = '""'
# mParticle's settings have a dozen values. After so many the rest of the text is blanked.
_MOST_STEPS = 200_000
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
# A value is made of these and of brackets; where anything else stands, nobody can tell its end.
_SCALAR = rf"{_STRING}|true|false|null|-?\d[\d.eE+-]*+"
_FLAT = re.compile(rf"(?:[\s:,]++|{_SCALAR})*+", re.DOTALL)
_ALONE = re.compile(rf"(?:{_SCALAR})(?=\s*+(?:[,}}\]]|\Z))", re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}
_LISTED = re.compile(r"\s*+\[")
# JSON may be a text within a text: whoever hands messages on does so once or twice. Of a text that
# is further inside nothing is kept.
_MOST_WRAPPED = 10
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# All that a text within a text makes of one backslash. It is read from its beginning only, because
# a name may be looked for at each character.
_ESCAPE_SIGN = r"(?<!\\)(?<!(?i:u005c))\\(?:\\|(?i:u005c))*+"
# Without one of these a text holds no name, in no spelling.
_HINTS = (SETTINGS, _KEY, "u00")


def _spelled(name: str) -> str:
    """Returns a pattern of all spellings that become the name when parsed, without their NULs."""
    between = rf"(?:{_ESCAPE_SIGN}u0000)*+"
    return between.join(rf"(?:{each}|{_ESCAPE_SIGN}u(?i:{ord(each):04x}))" for each in name)


_SECRETS = rf"(?:({_spelled(SETTINGS)})|{_spelled(_KEY)}(?:{_spelled('s')})?)"
# Names are not looked for string by string: in broken text nobody can tell where strings begin.
_NAMES = re.compile(rf'"{_SECRETS}"\s*+:\s*+')
# The same in bytes that are no JSON: also as text within text, in other quotes or none, in a form.
_QUOTE = rf"""(?:{_ESCAPE_SIGN})?+(?:["']|u002[27])?+"""
_ANY_NAMES = re.compile(rf"""(?:(?<!\w)|(?<=u002[27])){_SECRETS}{_QUOTE}\s*+[:=]\s*+""")


def without_secrets(value: bytes) -> bytes:
    """Returns the bytes with each secret blanked; where one does not end, with all that follows."""
    if _finds(value, "utf-8") >= 0:
        text = value.decode(errors="surrogateescape")
        value = _blanked(text).encode(errors="surrogateescape")
    if b"\0" not in value:
        return value
    is_big = value.find(b"\0") % 2 == 0
    for encoding in sorted(_WIDE, key=lambda each: each.endswith("be") is not is_big):
        if (found := _finds(value, encoding)) >= 0:
            value = _wide(value, encoding, found % _WIDE[encoding])
    return value


def _finds(value: bytes, encoding: str) -> int:
    """Returns the first place of what may be a secret's name, or part of one; else -1."""
    places = (value.find(word.encode(encoding)) for word in (SETTINGS, _KEY, _UNICODE))
    return min((place for place in places if place >= 0), default=-1)


def _wide(value: bytes, encoding: str, start: int) -> bytes:
    """Blanks secrets in text whose characters have several bytes, the first at `start`."""
    end = len(value) - (len(value) - start) % _WIDE[encoding]
    try:
        text = value[start:end].decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        text = value[start:end].decode(encoding, "replace")
    blanked = _blanked(text).encode(encoding, "surrogatepass")
    return value[:start] + blanked + value[end:]


def _blanked(text: str, wrapped: int = 0) -> str:
    """Blanks secrets in a text that is `wrapped` in so many others."""
    message = _read(text)
    if message is _UNREADABLE:
        return "".join(_without_values(text, _ANY_NAMES, None))
    text = _STRINGS.sub(lambda string: _blanked_inside(string[0], wrapped), text)
    levels = None if _is_wrapper(message) else _Levels(text)
    return "".join(_without_values(text, _NAMES, levels))


def _blanked_inside(string: str, wrapped: int) -> str:
    """Blanks secrets in the text that a JSON string is, which may hold JSON in its turn."""
    # In JSON are quotes, which would be escaped.
    if "\\" not in string or not any(hint in string for hint in _HINTS):
        return string
    text: str = json.loads(string)
    if wrapped == _MOST_WRAPPED:
        return _BLANK
    blanked = _blanked(text, wrapped + 1)
    return string if blanked == text else json.dumps(blanked, ensure_ascii=False)


def _without_values(text: str, names: re.Pattern[str], levels: "_Levels | None") -> Iterator[str]:
    """Yields the text without the values of these names; `levels` tell whose a key is."""
    done = steps = 0
    for name in names.finditer(text):
        if name.start() < done:
            continue
        if name[1] is None and levels is not None and not levels.is_secret(name.start()):
            continue
        end, used = _end(text, name.end(), _MOST_STEPS - steps)
        yield text[done : name.end()]
        yield _BLANK
        done, steps = end, steps + used
    yield text[done:]


class _Levels:
    """Tells a batch's own key from a field of that name further inside, which is a customer's.

    Where such names stand too often, each is taken for a batch's.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = _MOST_STEPS // 10
        self._lowest = 2 if _LISTED.match(text) else 1
        self._at = self._level = 0

    def is_secret(self, place: int) -> bool:
        """Says whether the name there is a batch's own key; places come from left to right."""
        if self._left <= 0:
            return True
        if self._text[place - 1] == "\\":
            return False
        self._left -= 1
        structure = _STRINGS.sub("", self._text[self._at : place])
        self._level += structure.count("{") + structure.count("[")
        self._level -= structure.count("}") + structure.count("]")
        self._at = place
        return self._level <= self._lowest


_UNREADABLE = object()


def _read(text: str) -> Any:
    """Returns what the text holds as JSON, or `_UNREADABLE`."""
    try:
        value = text.removeprefix(_BYTE_ORDER_MARK).encode()
        reject_too_many_values(value)
        return orjson.loads(value)
    except (UnicodeEncodeError, UnreadableMessageError, orjson.JSONDecodeError):
        return _UNREADABLE


def _is_wrapper(value: Any) -> bool:
    """Says whether it is no message, or one that holds others, so that any key may be a batch's."""
    below = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) and not _OF_MESSAGES.isdisjoint(each) for each in below):
        return True
    nodes = [inside for each in below for inside in each.values()]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            names = {name.replace("\0", "") for name in node}
            if names & _KEYS and names & BATCH_FIELDS:
                return True
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return False


def _end(text: str, start: int, most: int) -> tuple[int, int]:
    """Returns a value's end, or the text's if none is found, and the steps that this took.

    At most `most` steps are taken.
    """
    if most <= 0:
        return len(text), 0
    if text[start : start + 1] not in _CLOSES:
        alone = _ALONE.match(text, start)
        return (alone.end() if alone else len(text)), 1
    closing: list[str] = []
    place = start
    for step in range(1, most):
        bracket = text[place : place + 1]
        if bracket in _CLOSES:
            closing.append(_CLOSES[bracket])
        elif not closing or bracket != closing.pop():
            break
        place += 1
        if not closing:
            return place, step
        flat = _FLAT.match(text, place)
        place = flat.end() if flat else place
    return len(text), most
