"""What a PromQL expression asks for, as far as names go."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_SELECTOR = re.compile(r"(?<![\w.:])([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_LABEL = re.compile(r"\w+")
# A name that no parenthesis follows; those with one are functions and aggregations.
_NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_OPERATORS = frozenset({"and", "atan2", "bool", "offset", "or", "unless"})


class Asked(NamedTuple):
    """The series of an expression, the labels it filters by, and those that its result keeps."""

    series: frozenset[str]
    filtered: frozenset[str]
    kept: frozenset[str]


def read(expression: str) -> Asked:
    text = _STRING.sub("", expression)
    filtered = _labels(_MATCHERS, text)
    text = _MATCHERS.sub(" ", text)
    kept = _labels(_GROUPING, text)
    text = _RANGE.sub(" ", _GROUPING.sub(" ", text))
    return Asked(frozenset(_NAME.findall(text)) - _OPERATORS, filtered, kept)


def selectors(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each series that is filtered, and the labels that filter it."""
    for name, matchers in _SELECTOR.findall(_STRING.sub("", expression)):
        yield name, frozenset(_LABEL.findall(matchers))


def _labels(pattern: re.Pattern[str], text: str) -> frozenset[str]:
    return frozenset(name for inside in pattern.findall(text) for name in _LABEL.findall(inside))
