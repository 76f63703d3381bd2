"""What becomes what, case by case: `cases/*.json` say why, and what is expected.

A case's `shared` fields stand in each of its records. Ids of records are left to other tests, and
keys that the case does not tell.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agents.router.routing import AT, RECEIVED_MS, lines

_CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_message_becomes_what_its_case_says(path: Path) -> None:
    case = json.loads(path.read_text())
    message = case["text"].encode() if "text" in case else case["message"]
    actual = lines(message, **case.get("settings", {}))
    shared = case.get("shared", {})
    expected = [_whole(line, shared) for line in case["expected"]]
    assert [_like(line, wanted) for line, wanted in zip(actual, expected, strict=False)] == expected
    assert len(actual) == len(expected)


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
        line["index"] = raw["index"]
    return {name: line[name] for name in line if name in wanted or name == "record"}
