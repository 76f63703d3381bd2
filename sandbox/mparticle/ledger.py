"""What must be true at the destinations when all messages have been delivered."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeAlias

import orjson

Var: TypeAlias = str | int | float | bool | None


@dataclass(slots=True)
class Profile:
    """A user at Sailthru, with e-mail as key.

    `vars` has null for what was removed. `lists` are joined and `left` are left at the end.
    `events` maps an event's name at Sailthru to mParticle's event ids. `former` are e-mails that
    the user had before: an event sent before the change may have arrived under one of them.
    """

    vars: dict[str, Var] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=dict)
    customer_id: str | None = None
    former: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """Numbers of messages, but for `no_identity`, `ab_tasty_no_identity` and the events.

    `messages` by kind of traffic; `dropped` are `no_op`, `module_registration` and `response`;
    `broken` end as one dead letter each, `partly_broken` as one beside their good records.
    `no_identity` counts `user_updates`, `events` and `memberships` that have no e-mail and so
    cannot go to Sailthru: one user-update for each change event, snapshot or list of attributes
    shared on a membership. `ab_tasty_no_identity` are memberships without an mpid.
    `repeated_events` stand in the profiles once, `too_old_events` not at all.
    """

    messages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    no_identity: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    partly_broken: int = 0
    privacy_requests: int = 0
    ab_tasty_no_identity: int = 0
    repeated_events: int = 0
    too_old_events: int = 0


@dataclass(slots=True)
class Ledger:
    """`profiles` by e-mail; `segments` by mpid, then segment name; `audiences` id to name."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    segments: dict[str, dict[str, str]] = field(default_factory=dict)
    audiences: dict[str, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    @property
    def raw(self) -> int:
        return self.counts.messages.total()

    def merge(self, other: Self) -> None:
        """Adds a ledger of other users and audiences."""
        self.profiles |= other.profiles
        self.segments |= other.segments
        self.audiences |= other.audiences
        for each in fields(Counts):
            mine, theirs = getattr(self.counts, each.name), getattr(other.counts, each.name)
            setattr(self.counts, each.name, mine + theirs)

    def note(
        self,
        email: str | None,
        *,
        updates: int = 0,
        events: list[tuple[str, str]] | None = None,
        memberships: int = 0,
    ) -> None:
        """Enters events as (name at Sailthru, event id); without e-mail only how much there was."""
        happened = events or []
        if email is None:
            arrived = {"user_updates": updates, "events": len(happened), "memberships": memberships}
            self.counts.no_identity.update(arrived)
            return
        book = self.profiles[email].events
        for name, event_id in happened:
            book.setdefault(name, []).append(event_id)

    def to_json(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        read = orjson.loads(text)
        counts: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value
            for name, value in read["counts"].items()
        }
        return cls(
            profiles={email: Profile(**profile) for email, profile in read["profiles"].items()},
            segments=read["segments"],
            audiences=read["audiences"],
            counts=Counts(**counts),
        )
