"""What must be true at the destinations when all messages have been delivered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeAlias

import orjson

Var: TypeAlias = str | int | float | bool | None


class Told(NamedTuple):
    """What one message says of one user, in Sailthru's words.

    `vars` are what its changes and its snapshot come to; `lists` are joined (True) or left;
    `events` are (name, event id), of the kinds only that are sent by default; `changes` are its
    change events and its lists of shared attributes.
    """

    vars: Mapping[str, Var] = MappingProxyType({})
    lists: Mapping[str, bool] = MappingProxyType({})
    events: Sequence[tuple[str, str]] = ()
    customer_id: str | None = None
    changes: int = 0


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

    def note(self, told: Told) -> None:
        """Takes in what a message says, after all that came before it."""
        self.vars |= told.vars
        for name, joined in told.lists.items():
            onto, off = (self.lists, self.left) if joined else (self.left, self.lists)
            if name in off:
                off.remove(name)
            if name not in onto:
                onto.append(name)
        for name, event_id in told.events:
            self.events.setdefault(name, []).append(event_id)
        self.customer_id = told.customer_id or self.customer_id


@dataclass(slots=True)
class Counts:
    """Numbers of messages, but for `no_identity`, `ab_tasty_no_identity` and the events.

    `messages` by kind of traffic; `dropped` are `no_op`, `module_registration` and `response`;
    `broken` end as one dead letter each, `partly_broken` as one beside their good records.
    `no_identity` counts `user_updates`, `events` and `memberships` that have no e-mail and so
    cannot go to Sailthru: one user-update for each change event or list of attributes shared on a
    membership, and events of the kinds only that are sent by default. `ab_tasty_no_identity` are
    memberships without an mpid. `development` are messages that no destination may get.
    `privacy_requests` are the records of what people ask about their data: requests, opt-outs,
    changes of consent, each as often as it was sent. `repeated_events` stand in the profiles once,
    `too_old_events` not at all.
    """

    messages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    no_identity: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    partly_broken: int = 0
    privacy_requests: int = 0
    ab_tasty_no_identity: int = 0
    development: int = 0
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

    def note(self, email: str | None, told: Told) -> None:
        """Enters what a message says; without an e-mail only how much that was."""
        if email is None:
            self.counts.no_identity.update(
                user_updates=told.changes, events=len(told.events), memberships=len(told.lists)
            )
        else:
            self.profiles.setdefault(email, Profile()).note(told)

    def move(self, old: str, new: str) -> None:
        """Has all that is known under the old address stand under the new one."""
        profile = self.profiles.pop(old, None) or Profile()
        profile.former.append(old)
        self.profiles[new] = profile

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
