"""Blanks the values of `account_settings` in the bytes of a message; the rest stays as it came."""

import json
import re
from typing import Any

from agents.router.parsing import SETTINGS

_NAME = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_DECODER = json.JSONDecoder()


def without_settings(value: bytes) -> bytes:
    """Works on any bytes: where the settings' own value does not parse, it stays."""
    text = value.decode(errors="surrogateescape")
    if SETTINGS not in text and "\\u" not in text:
        return value
    kept, done = [], 0
    for name in _NAME.finditer(text):
        if name.start() < done or not _is_settings(name[1]):
            continue
        try:
            settings, end = _DECODER.raw_decode(text, name.end())
        except (ValueError, RecursionError):
            continue
        kept += [text[done : name.end()], json.dumps(_blank(settings))]
        done = end
    return "".join([*kept, text[done:]]).encode(errors="surrogateescape")


def _is_settings(name: str) -> bool:
    if "\\" not in name:
        return name[1:-1] == SETTINGS
    try:
        return bool(json.loads(name) == SETTINGS)
    except ValueError:
        return False


def _blank(settings: Any) -> Any:
    return dict.fromkeys(settings, "") if isinstance(settings, dict) else ""
