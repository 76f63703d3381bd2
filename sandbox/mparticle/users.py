"""Invented users: where each one ends is decided first, their messages then lead there."""

from collections import Counter
from random import Random
from typing import NamedTuple

from sandbox.mparticle.catalogue import (
    ATTRIBUTES,
    AUDIENCES,
    CALCULATED,
    GONE,
    Attribute,
    Audience,
    State,
    Value,
)
from sandbox.mparticle.kinds import Kind
from sandbox.mparticle.wire import chance, int64

IDENTITY_CARRIERS = (Kind.FIREHOSE, Kind.BATCH)


class AttributeChange(NamedTuple):
    attribute: Attribute
    old: State
    new: State


class IdentityChange(NamedTuple):
    """`kind` is `email` or `customer`; `old` is None for the first one of its kind.

    `silent` ones show in the message's identities only: outputs leave the event out unless it is
    switched on.
    """

    kind: str
    old: str | None
    new: str
    silent: bool = False


class User:
    """One user's end, present state at mParticle, and messages still to come by kind.

    Present state may wander from the end as long as a later message can bring it back: the last
    message able to tell an attribute or a membership tells its end. `unknown` is how likely it is
    that mParticle never learns an address; an address may also come late, in any message that can
    carry it.
    """

    def __init__(
        self, rng: Random, number: int, to_come: Counter[Kind], *, unknown: float, renamed: float
    ) -> None:
        self.rng = rng
        self.mpid = int64(rng)
        self.to_come = to_come
        self.identities: dict[str, str] = {"other2": f"O-{number}"} if chance(rng, 0.1) else {}
        self.hashed = False
        self._steps: list[IdentityChange] = []
        self._spelling = rng.choices((str, str.lower, str.upper), (85, 10, 5))[0]
        self._plan_identities(number, unknown, renamed)
        self._plan_attributes()
        self._plan_memberships()

    @property
    def email(self) -> str | None:
        """The profile's key at Sailthru now; None where there is none yet."""
        email = self.identities.get("email")
        return email.lower() if email else None

    def spelled(self, attribute: Attribute) -> str:
        """How a name is written: mParticle's own in any letter case, the customer's as it is."""
        name = attribute.name
        return self._spelling(name) if name.startswith("$") else name

    def attribute_changes(self, kind: Kind, *, at_least_one: bool = False) -> list[AttributeChange]:
        """What a message of `kind` tells, in order of time; change events may tell a name twice."""
        changes: list[AttributeChange] = []
        for attribute, end in self.ends:
            if kind not in attribute.carriers:
                continue
            if any(self.to_come[carrier] for carrier in attribute.carriers):
                if chance(self.rng, 0.1):
                    changes.append(self._set(attribute, self._detour(attribute)))
                continue
            if (
                self._is_away(attribute, end)
                and kind in IDENTITY_CARRIERS
                and chance(self.rng, 0.2)
            ):
                changes.append(self._set(attribute, self._detour(attribute)))
            if self._is_away(attribute, end):
                changes.append(self._set(attribute, end))
        if at_least_one and not changes:
            changes.append(self._set(*self.rng.choice(self.ends)))
        return changes

    def calculate(self) -> None:
        """Has mParticle calculate some attributes anew, of which no event tells."""
        for attribute in CALCULATED:
            if chance(self.rng, 0.15):
                self.known[attribute] = attribute.draw(self.rng)

    def identity_change(self) -> IdentityChange | None:
        """The next change, if it is due in this message; all of them are by the last message."""
        chances = 1 + sum(self.to_come[kind] for kind in IDENTITY_CARRIERS)
        if not self._steps or self.rng.random() * chances >= len(self._steps):
            return None
        step = self._steps.pop(0)
        self.identities[step.kind] = step.new
        return step

    def membership_changes(self) -> dict[Audience, bool]:
        """Audiences joined (True) or left in one membership message; at least one."""
        some = self.rng.sample(
            list(self.member_ends), self.rng.randint(1, min(2, len(self.member_ends)))
        )
        if self.to_come[Kind.MEMBERSHIP]:
            changes = {audience: chance(self.rng, 0.6) for audience in some}
        else:
            ends = self.member_ends.items()
            due = [audience for audience, end in ends if self.member.get(audience) != end]
            changes = {audience: self.member_ends[audience] for audience in due or some}
        self.member |= changes
        return changes

    def _is_away(self, attribute: Attribute, end: State) -> bool:
        return self.known.get(attribute, GONE) != end

    def _set(self, attribute: Attribute, new: State) -> AttributeChange:
        old = self.known.pop(attribute, GONE)
        if new is not GONE:
            self.known[attribute] = new
        return AttributeChange(attribute, old, new)

    def _detour(self, attribute: Attribute) -> State:
        if attribute in self.known and chance(self.rng, 0.2):
            return GONE
        return attribute.draw(self.rng)

    def _plan_identities(self, number: int, unknown: float, renamed: float) -> None:
        rng, room = self.rng, sum(self.to_come[kind] for kind in IDENTITY_CARRIERS)
        is_unknown = chance(rng, unknown)
        self.hashed = is_unknown and chance(rng, 0.1)
        customers = [f"C-{number}", f"C-{number}-b"][: rng.choice((0, 1, 1, 1, 2))]
        if is_unknown and chance(rng, 0.9):
            customers = []
        shop = "Shop.example" if chance(rng, 0.15) else "shop.example"
        emails = [f"user{number}@{shop}", f"User{number}.new@{shop}", f"u{number}@{shop}"]
        emails = emails[: 1 + chance(rng, renamed) + chance(rng, renamed / 4)]
        self._walk("email", [] if is_unknown else emails, late=chance(rng, 0.3), room=room)
        self._walk("customer", customers, late=chance(rng, 0.2), room=room - len(self._steps))

    def _walk(self, kind: str, path: list[str], *, late: bool, room: int) -> None:
        """Starts at the path's first identity, or before it; plans steps while there is room."""
        late = late and room > 0
        if path and not late:
            self.identities[kind] = path[0]
        reached = path[: room + (not late)]
        before: list[str | None] = [None, *reached] if late else [*reached]
        self._steps += [
            IdentityChange(kind, old, new, silent=old is None and chance(self.rng, 0.2))
            for old, new in zip(before, reached[not late :], strict=False)
        ]

    def _plan_attributes(self) -> None:
        rng = self.rng
        told = [a for a in ATTRIBUTES if any(self.to_come[carrier] for carrier in a.carriers)]
        self.ends: list[tuple[Attribute, State]] = []
        self.known: dict[Attribute, Value] = {}
        for attribute in rng.sample(told, min(len(told), rng.randint(3, 8))):
            gone = chance(rng, 0.15)
            self.ends.append((attribute, GONE if gone else attribute.draw(rng)))
            if gone:  # it was there before the traffic began
                self.known[attribute] = attribute.draw(rng)

    def _plan_memberships(self) -> None:
        known = AUDIENCES if self.to_come[Kind.MEMBERSHIP] else ()
        chosen = self.rng.sample(known, min(len(known), self.rng.randint(1, 4)))
        self.member_ends: dict[Audience, bool] = {each: chance(self.rng, 0.7) for each in chosen}
        self.member: dict[Audience, bool] = {}
