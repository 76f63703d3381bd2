"""The findings of a trace, before they are shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streams.operations.trace_fates import Place, Traced
from streams.operations.trace_search import Span, Story


class Made(NamedTuple):
    """A record that the router makes of a message, and whose id was not found on its topic."""

    topic: str
    kind: str
    id: str
    part: int


class Message(NamedTuple):
    """A raw message as it stands in Kafka, and how its parts end at the router as set here."""

    at_ms: int
    length: int
    redriven_of: str | None
    ends: Mapping[str, Counter[str]]


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A raw position; `message` is None where Kafka has deleted it.

    `passed` is the offset that the router's group has committed, None where it has none.
    """

    at: Place
    message: Message | None
    ended: bool
    passed: int | None
    missing: Sequence[Made] = ()
    again: Sequence[Traced] = ()


class Report(NamedTuple):
    """All that is to be shown; `raw` is None where a user was asked for."""

    span: Span
    story: Story
    raw: Raw | None = None

    @property
    def found(self) -> bool:
        there = self.raw is not None and self.raw.message is not None
        return there or bool(self.story.records or self.story.letters.all)
