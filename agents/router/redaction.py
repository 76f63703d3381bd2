"""Blanks the values of `account_settings` in the bytes of a message; the rest stays as it came."""

import json
import re
from typing import Any

from agents.router.parsing import SETTINGS

# Every string from first to last, so that none is taken for another's end; a cut one ends the text.
_STRING = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*+(?:"|\\?\Z))(\s*:\s*)?', re.DOTALL)
_DECODER = json.JSONDecoder()


def without_settings(value: bytes) -> bytes:
    """Works on any bytes; settings whose own value does not parse stay as they came."""
    text = value.decode(errors="surrogateescape")
    if SETTINGS not in text and "\\u" not in text:
        return value
    kept, done = [], 0
    for string in _STRING.finditer(text):
        if string.start() < done or not string[2] or not _names_settings(string[1]):
            continue
        try:
            settings, end = _DECODER.raw_decode(text, string.end())
        except (ValueError, RecursionError):
            continue
        kept += [text[done : string.end()], json.dumps(_blank(settings))]
        done = end
    return "".join([*kept, text[done:]]).encode(errors="surrogateescape")


def _names_settings(string: str) -> bool:
    if "\\" not in string:
        return string[1:-1] == SETTINGS
    try:
        return bool(json.loads(string) == SETTINGS)
    except ValueError:
        return False


def _blank(settings: Any) -> Any:
    return dict.fromkeys(settings, "") if isinstance(settings, dict) else ""
