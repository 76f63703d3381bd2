"""The calls made to Sailthru, in its own words.

Source: pages "user", "event" and "list" of the API documentation (getstarted.meetmarigold.com).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from agents.sailthru.var_names import Naming

Key = Literal["email", "extid"]
_IDENTIFYING = frozenset({"email", "extid"})


@dataclass(frozen=True, slots=True)
class UserCall:
    """Changes the profile that `id` finds by `key`, and makes it where there is none.

    `keys` are set on it. Another profile that has the address or extid is merged into it; one that
    only has the phone number or account may be another person's, and the call is refused. A var
    set to None is kept as null. `lists` maps a name to 1 (joined) or 0 (left).
    `left_out` are attributes that the settings leave out, and why.
    """

    endpoint: ClassVar[str] = "user"

    id: str = field(repr=False)
    key: Key = "email"
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lists: Mapping[str, int] = field(default_factory=dict)
    naming: Naming = field(default_factory=Naming)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def new_email(self) -> str | None:
        """The address this call moves its profile to, when it is found by the old one."""
        return self.keys.get("email") if self.key == "email" else None

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {"id": self.id, "key": self.key}
        if self.keys:
            merges = not _IDENTIFYING.isdisjoint(self.keys)
            payload |= {"keys": self.keys, "keysconflict": "merge" if merges else "error"}
        if self.vars:
            payload["vars"] = self.vars
        if self.lists:
            payload["lists"] = self.lists
        return payload

    def renames(self) -> dict[str, Mapping[str, str]]:
        """Returns what is called otherwise than mParticle calls it, by what it is."""
        return {"vars": self.naming.renamed} if self.naming.renamed else {}


@dataclass(frozen=True, slots=True)
class EventCall:
    """Says that something happened to a user; vars belong to the event alone.

    `name` is what mParticle calls the event.
    """

    endpoint: ClassVar[str] = "event"

    id: str = field(repr=False)
    event: str
    key: Key = "email"
    vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    name: str = ""
    naming: Naming = field(default_factory=Naming)

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {"id": self.id, "key": self.key, "event": self.event}
        if self.vars:
            payload["vars"] = self.vars
        return payload

    def renames(self) -> dict[str, Mapping[str, str]]:
        """Returns what is called otherwise than mParticle calls it, by what it is."""
        event = {self.name: self.event} if self.name != self.event else {}
        shown = {"event": event, "vars": self.naming.renamed, "details": self.naming.details}
        return {what: renamed for what, renamed in shown.items() if renamed}


@dataclass(frozen=True, slots=True)
class PurchaseCall:
    """Records what somebody bought; it cannot be taken back or made again.

    `purchase_id` tells the purchase from all others.
    """

    endpoint: ClassVar[str] = "purchase"

    id: str = field(repr=False)
    purchase_id: str = field(repr=False)
    items: Sequence[Mapping[str, Any]] = field(repr=False)
    date: str | None = None
    message_id: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    naming: Naming = field(default_factory=Naming)
    key: ClassVar[Key] = "email"

    def lookup(self) -> dict[str, Any]:
        """The arguments that ask for the purchase."""
        return {"purchase_id": self.purchase_id, "purchase_key": "extid"}

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {"email": self.id, "items": self.items}
        payload |= {"purchase_keys": {"extid": self.purchase_id}}
        more = {"date": self.date, "message_id": self.message_id, "vars": self.vars}
        return payload | {name: value for name, value in more.items() if value}

    def renames(self) -> dict[str, Mapping[str, str]]:
        """Returns what is called otherwise than mParticle calls it, by what it is."""
        shown = {"vars": self.naming.renamed, "details": self.naming.details}
        return {what: renamed for what, renamed in shown.items() if renamed}


@dataclass(frozen=True, slots=True)
class ListCall:
    """Makes a list, or leaves it as it is: natural, and not among the account's primary ones."""

    endpoint: ClassVar[str] = "list"

    name: str

    def lookup(self) -> dict[str, Any]:
        """The arguments that ask for the list."""
        return {"list": self.name}

    def payload(self) -> dict[str, Any]:
        return {"list": self.name, "type": "normal", "primary": 0}

    def renames(self) -> dict[str, Mapping[str, str]]:
        """None: the name of a list is the setting's."""
        return {}


Call = UserCall | EventCall | PurchaseCall | ListCall
