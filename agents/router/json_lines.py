"""Writes what the router makes of a message as JSON lines, for people and scripts."""

from collections.abc import Iterator
from typing import Any

from agents.router.routing import Out, Routed
from models.dead_letter import DeadLetter


def lines_of(routed: Routed) -> Iterator[dict[str, Any]]:
    """Yields `{"topic", "key", "record"}`, `{"dead_letter": reason, ...}` or `{"dropped": reason}`.

    A dead letter's line tells where and why, and leaves out the bytes: the reader has them.
    """
    yield from map(out_line, routed.outs)
    yield from map(dead_letter_line, routed.dead_letters)
    for reason in routed.dropped:
        yield {"dropped": reason}


def out_line(out: Out) -> dict[str, Any]:
    record = out.record.model_dump(mode="json")
    return {"topic": out.topic.name, "key": out.key.decode(), "record": record}


def dead_letter_line(letter: DeadLetter) -> dict[str, Any]:
    line: dict[str, Any] = {"dead_letter": letter.reason, "detail": letter.detail}
    if letter.index is not None:
        line["index"] = letter.index
    return line | {"length": letter.length, "truncated": letter.truncated}
