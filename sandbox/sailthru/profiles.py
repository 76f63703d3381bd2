"""Profiles and the keys that find them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from heapq import merge as merge_sorted
from itertools import count

OPTOUT_LEVELS = ("none", "blast", "basic", "all")
"""From lenient to strict. Documented: "User Opt-Out Levels"; blast is deprecated since 2018."""


@dataclass(frozen=True, slots=True)
class Event:
    sequence: int
    name: str
    vars: Mapping[str, object]


@dataclass(slots=True, eq=False)
class Profile:
    sid: str
    keys: dict[str, str] = field(default_factory=dict)
    vars: dict[str, object] = field(default_factory=dict)
    lists: dict[str, int] = field(default_factory=dict)
    """When it joined each list, in unix seconds."""
    events: list[Event] = field(default_factory=list)
    purchases: list[dict[str, object]] = field(default_factory=list)
    cart: dict[str, object] | None = None
    optout: str = "none"
    logins: int = 0

    @property
    def cookie(self) -> str:
        """Observed: 32 hex digits, the sid, and 32 more which change with the e-mail address."""
        email = self.keys.get("email", "")
        return md5(self.sid.encode()).hexdigest() + self.sid + md5(email.encode()).hexdigest()

    def all_keys(self) -> dict[str, str]:
        return {"sid": self.sid, "cookie": self.cookie, **self.keys}

    def state(self) -> dict[str, object]:
        logins = {"logins": self.logins} if self.logins else {}
        bought = {"purchases": self.purchases} if self.purchases else {}
        cart = {"purchase_incomplete": self.cart} if self.cart else {}
        return {
            "sid": self.sid,
            "keys": self.keys,
            "vars": self.vars,
            "lists": self.lists,
            "events": [{"event": event.name, "vars": event.vars} for event in self.events],
            "optout": self.optout,
            **logins,
            **bought,
            **cart,
        }


class Profiles:
    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Profile] = {}
        self._sids = count(1)
        self._events = count(1)

    def __iter__(self) -> Iterator[Profile]:
        return (profile for (kind, _), profile in self._by_key.items() if kind == "sid")

    def find(self, kind: str, value: str) -> Profile | None:
        if kind == "cookie":
            profile = self._by_key.get(("sid", value[32:-32]))
            return profile if profile and profile.cookie == value else None
        return self._by_key.get((kind, value))

    def create(self, kind: str, value: str) -> Profile:
        profile = Profile(sid=f"{next(self._sids):024x}")
        self._by_key["sid", profile.sid] = profile
        self.set_key(profile, kind, value)
        return profile

    def set_key(self, profile: Profile, kind: str, value: str) -> None:
        if (old := profile.keys.get(kind)) is not None:
            del self._by_key[kind, old]
        profile.keys[kind] = value
        self._by_key[kind, value] = profile

    def remove(self, profile: Profile) -> None:
        for key in (("sid", profile.sid), *profile.keys.items()):
            del self._by_key[key]

    def add_event(self, profile: Profile, name: str, values: Mapping[str, object]) -> None:
        profile.events.append(Event(next(self._events), name, values))

    def merge(self, profile: Profile, other: Profile) -> None:
        """Takes over everything from the other profile, which is gone afterwards.

        Documented, "Improved Profile Merging" (2016): memberships with join dates and vars are
        combined, those of the profile being modified prevail, the strictest opt-out is kept, and
        purchases are combined.
        Reported, Colin-Whelan/SailthruCommunityDocs, Merge Profiles: extid is kept from either.
        """
        self.remove(other)
        for kind, value in other.keys.items():
            if kind not in profile.keys:
                self.set_key(profile, kind, value)
        profile.vars = {**other.vars, **profile.vars}
        profile.lists = {**other.lists, **profile.lists}
        profile.events = list(_in_order(profile.events, other.events))
        profile.optout = max(profile.optout, other.optout, key=OPTOUT_LEVELS.index)
        profile.logins += other.logins
        profile.purchases = [*other.purchases, *profile.purchases]
        profile.cart = profile.cart or other.cart


def _in_order(*events: Iterable[Event]) -> Iterator[Event]:
    return merge_sorted(*events, key=lambda event: event.sequence)
