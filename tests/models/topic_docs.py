"""Writes `docs/topics/`: what each topic holds, for other consumers of them.

Run `python -m tests.models.topic_docs` after a change of the models. Examples are the frozen
records of the last schema version.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from models.record import Record
from streams.topics import (
    AUDIENCE_MEMBERSHIP,
    AUDIENCES,
    DEAD_LETTERS,
    EVENTS,
    PRIVACY_REQUESTS,
    USER_UPDATE,
    Topic,
)

DOCS = Path(__file__).parents[2] / "docs" / "topics"
RECORDS = Path(__file__).parent / "records"
SCHEMA_VERSION = Record.model_fields["schema_version"].default


class Text(NamedTuple):
    """What a schema cannot say."""

    holds: str
    key: str
    order: str


_USER = (
    "mParticle's user id (`mpid`); else a digest of the first of customer id, lower-cased e-mail "
    "and device stamp; without any of them "
)
_USER_KEY = _USER + "a digest of the record's id."
_USER_ORDER = (
    "Records of one key stand in the order of their raw messages, and within a message in the "
    "order of their times, changes of identity first. "
)
_HEADERS = (
    "`id` and `kind`, as in the record; `epoch`, a number, after a person moved the router's "
    "offsets back: what is routed again is meant to arrive again. A record is the same one "
    "when `id` and `epoch` are the same. On what was sent again of a dead letter, `redriven-for` "
    "is the one destination that it is for, whom others are to leave it to, and `redriven-of` the "
    "dead letter's partition and offset."
)

TEXTS: Mapping[Topic, Text] = MappingProxyType(
    {
        USER_UPDATE: Text(
            "Who a user is now: attributes that were set and removed, identities that changed.",
            _USER_KEY,
            _USER_ORDER
            + "An update is in Kafka before any event or membership that came after it is written.",
        ),
        EVENTS: Text(
            "What users did, sessions included. `kind` may be any type that mParticle will ever "
            "send: take what you know and leave the others.",
            _USER_KEY,
            _USER_ORDER + "The user's updates from before an event are on `user-update` by then.",
        ),
        AUDIENCE_MEMBERSHIP: Text(
            "Who joined and left which audience; which audiences were connected, updated, "
            "disconnected.",
            _USER + "the audience's id.",
            _USER_ORDER
            + "mParticle promises no order between messages: of two changes of one user "
            "and audience the one with the later `occurred_at_ms` holds.",
        ),
        AUDIENCES: Text(
            "The last that is known of each audience. Compacted: read it whole, then follow it.",
            "The audience's id.",
            "The last record of a key holds.",
        ),
        PRIVACY_REQUESTS: Text(
            "What users asked about their data, the consents that they gave and withdrew, and "
            "who opted out, or in again (the event itself is on `events` too). "
            "Never left out, and never sent to a destination by us.",
            _USER_KEY,
            _USER_ORDER + "Consents and opt-outs are current states: the later "
            "`occurred_at_ms` holds.",
        ),
        DEAD_LETTERS: Text(
            "What could not go on, where and why. `topic`, `partition` and `offset` are those of "
            "what is in `value`: of the raw message at stage `router`, of the record at "
            "stage `sink`.",
            "The key of what is in `value`, if it had one.",
            "Means nothing.",
        ),
    }
)


def documents() -> Iterator[tuple[str, str]]:
    """Yields file names and what is to be in them."""
    for topic, text in TEXTS.items():
        yield f"{topic.name}.md", _page(topic, text)
        yield f"{topic.name}.schema.json", _json(schema(topic)) + "\n"


def schema(topic: Topic) -> dict[str, Any]:
    """The JSON Schema of what stands on a topic."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": topic.name,
        **topic.holds.json_schema(mode="serialization"),
    }


def records(topic: Topic, version: int = SCHEMA_VERSION) -> dict[str, Any]:
    """The frozen records of a topic, by what they are."""
    files = sorted((RECORDS / f"v{version}" / topic.name).glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def _page(topic: Topic, text: Text) -> str:
    facts = {
        "Schema": f"[{topic.name}.schema.json]({topic.name}.schema.json)",
        "Key": text.key,
        "Headers": "none." if topic is DEAD_LETTERS else _HEADERS,
        "Order": text.order,
    }
    parts = [
        f"# Topic `{topic.name}`",
        f"{text.holds} [README](README.md) says what all topics have in common.",
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        *(f"## {name}\n\n```json\n{_json(each)}\n```" for name, each in records(topic).items()),
        "Written by `python -m tests.models.topic_docs`.",
    ]
    return "\n\n".join(parts) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def main() -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    for name, content in documents():
        (DOCS / name).write_text(content)


if __name__ == "__main__":
    main()
