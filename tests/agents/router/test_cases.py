"""What becomes what, case by case: `cases/*.json` say why, and what is expected.

A case's `shared` fields stand in each of its records; `strangers` are what no model knows. Ids of
records are left to other tests, and so are keys and accounts that the case does not tell.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.router import event_batch, firehose, routing
from models.mparticle import published_fields
from models.mparticle.values import Arriving
from tests.agents.router.routing import AT, RECEIVED_MS, lines, routed

_CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def _message(case: dict[str, Any]) -> Any:
    return case["text"].encode() if "text" in case else case["message"]


def _words() -> set[str]:
    """All that stands in the messages of cases, between marks."""
    cases = [json.loads(path.read_text()) for path in _CASES]
    texts = [case.get("text") or json.dumps(case["message"]) for case in cases]
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _published() -> set[str]:
    """Types of messages and events, and every name of a field that our models read."""
    types = {*routing._BY_TYPE, *routing._DROPPED, *firehose.EVENTS, *event_batch.EVENTS}
    return types.union(*(published_fields.fields(shape).names for shape in _shapes(Arriving)))


def _shapes(shape: type[Arriving]) -> Iterator[type[Arriving]]:
    for each in shape.__subclasses__():
        yield each
        yield from _shapes(each)


_WORDS = _words()


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_message_becomes_what_its_case_says(path: Path) -> None:
    case = json.loads(path.read_text())
    message = _message(case)
    actual = lines(message, **case.get("settings", {}))
    shared = case.get("shared", {})
    expected = [_whole(line, shared) for line in case["expected"]]
    assert [_like(line, wanted) for line, wanted in zip(actual, expected, strict=False)] == expected
    assert len(actual) == len(expected)
    strangers = routed(message, **case.get("settings", {})).strangers
    assert [list(stranger) for stranger in strangers] == case.get("strangers", [])


def test_everything_published_stands_in_a_case() -> None:
    assert sorted(_published() - _WORDS) == []


def _whole(line: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    return line | {"record": shared | line["record"]} if "record" in line else line


def _like(line: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    if "record" in line:
        line = line | {"record": dict(line["record"])}
        raw = line["record"].pop("raw")
        assert raw == AT.model_dump() | {"index": raw["index"]}
        assert line["record"].pop("received_at_ms") == RECEIVED_MS
        assert line["record"].pop("schema_version") == 1
        assert line["record"].pop("id")
        if "account_id" not in wanted.get("record", {}):
            assert line["record"].pop("account_id", "4411") == "4411"
        line["index"] = raw["index"]
    return {name: line[name] for name in line if name in wanted or name == "record"}
