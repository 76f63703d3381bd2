"""Records of all schema versions: read by today's models, and today's by those of yesterday."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agents.router.route_result import TARGETS
from streams.topics import DEAD_LETTERS, Topic
from tests.models.topic_docs import (
    DOCS,
    RECORDS,
    SCHEMA_VERSION,
    TEXTS,
    documents,
    records,
    schema,
)

_VERSIONS = [int(folder.name[1:]) for folder in sorted(RECORDS.glob("v*"))]
_TOPICS = list(TEXTS)
_FROZEN = [
    pytest.param(topic, written, id=f"v{version} {topic.name} {name}")
    for version in _VERSIONS
    for topic in _TOPICS
    for name, written in records(topic, version).items()
]


@pytest.mark.parametrize(("topic", "written"), _FROZEN)
def test_record_of_any_version_still_says_what_it_said(
    topic: Topic, written: dict[str, Any]
) -> None:
    read = topic.holds.validate_python(written)
    said = read.model_dump(mode="json")
    assert {name: said[name] for name in written} == written


@pytest.mark.parametrize(("topic", "written"), _FROZEN)
def test_reader_ignores_a_field_it_does_not_know(topic: Topic, written: dict[str, Any]) -> None:
    newer = json.loads(json.dumps(written))
    for each in _shapes(newer):
        each["added_later"] = {"colour": ["red"]}
    assert topic.holds.validate_python(newer) == topic.holds.validate_python(written)


@pytest.mark.parametrize("topic", _TOPICS, ids=lambda topic: topic.name)
def test_every_kind_of_this_version_is_frozen(topic: Topic) -> None:
    kinds = {written.get("kind") for written in records(topic).values()}
    known = _kinds(schema(topic))
    assert kinds == known if known else kinds


def test_a_frozen_folder_has_nothing_but_records_of_its_version() -> None:
    assert SCHEMA_VERSION in _VERSIONS
    for version in _VERSIONS:
        for file in (RECORDS / f"v{version}").rglob("*.json"):
            assert json.loads(file.read_text())["schema_version"] == version, file


@pytest.mark.parametrize("topic", _TOPICS, ids=lambda topic: topic.name)
def test_topics_have_documents_that_are_up_to_date(topic: Topic) -> None:
    written = {name: text for name, text in documents() if name.startswith(f"{topic.name}.")}
    for name, text in written.items():
        assert (DOCS / name).read_text() == text, "run: python -m tests.models.topic_docs"


def test_all_that_the_router_writes_is_documented() -> None:
    assert TEXTS.keys() == {DEAD_LETTERS, *(topic for topic, *_ in TARGETS.values())}


def test_nothing_else_is_among_the_documents() -> None:
    expected = {"README.md", *(name for name, _ in documents())}
    assert {path.name for path in DOCS.iterdir()} == expected


def _shapes(written: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A record and the objects inside it whose names are ours and not the customer's."""
    yield written
    if "raw" in written:
        yield written["raw"]
    for name in ("identities", "device_identities", "partner_identities", "added", "removed"):
        yield from (each for each in written.get(name, ()) if isinstance(each, dict))


def _kinds(of: dict[str, Any]) -> set[str]:
    """The kinds that a schema names; empty where any may come."""
    if "discriminator" in of:
        return set(of["discriminator"]["mapping"])
    kind = of["properties"].get("kind", {})
    return {kind["const"]} if "const" in kind else set()
