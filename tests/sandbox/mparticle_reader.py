"""A second, plain reading of mParticle's messages, to hold the sandbox's ledger against."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sandbox.mparticle import Message

RESERVED = {"send", "cancel", "open", "click", "purchase", "daily"}
SENT = {"custom_event", "session_start", "session_end"}
# What was there before what is written by hand.
FIRST_NAMES = {901: "Lapsed buyers", 907: "v2.1-test"}
KEPT = {"email", "profile"}
OWN_NAMES = ("FirstName", "LastName", "Gender", "State", "Country", "City", "Zip", "Age")
EARLIEST_MS, LATEST_MS = 1_262_304_000_000, 4_102_444_800_000
YEAR_MS = 365 * 86_400_000
TOO_OLD_MS = 14 * 86_400_000


def objects(messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
    """Every readable message; an array of batches as its batches."""
    for each in messages:
        try:
            body = json.loads(each.value)
        except ValueError:
            continue
        parts = body if isinstance(body, list) else [body]
        yield from (part for part in parts if isinstance(part, dict))


def identities(body: dict[str, Any]) -> dict[str, Any]:
    """A user's identities by type, but for hashed ones."""
    written: Any = body.get("user_identities") or []
    if isinstance(written, dict):
        written = [{"type": kind, "value": value} for kind, value in written.items()]
    return {
        each.get("type", each.get("identity_type")): each.get("value", each.get("identity"))
        for each in written
        if each.get("encoding", "raw") == "raw" and not _is_digest(each.get("value"))
    }


class Reader:
    """What the destinations must hold after messages that came in their order, by mpid.

    Where there is no mpid, the e-mail stands in for it.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.vars: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.lists: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        self.events: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)
        self.emails: dict[str, str] = {}
        self._all_emails: set[str] = set()
        self.customers: dict[str, str] = {}
        self.segments: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.no_identity: Counter[str] = Counter()
        self._names = dict(FIRST_NAMES)
        self._uploaded: set[tuple[Any, ...]] = set()
        self.without_mpid = 0

    def read(self, body: dict[str, Any]) -> None:
        if body.get("type") == "audience_membership_change_request":
            profiles = body.get("user_profiles")
            for profile in profiles if isinstance(profiles, list) else []:
                self._memberships(profile)
        elif body.get("type") in {None, "event_processing_request"} and not is_development(body):
            events = body.get("events")
            listed = events if isinstance(events, list) else []
            flat = [event | event.get("data", {}) for event in listed]
            for event in sorted(flat, key=_time):
                self._event(body, event)
            self._snapshot(body)

    def profiles(self) -> dict[str, dict[str, Any]]:
        """By the last e-mail; who has one and nothing else is none."""
        told = self.vars.keys() | self.lists.keys() | self.events.keys()
        return {
            email: {
                "vars": self.vars.get(who, {}),
                "lists": {name for name, joined in self.lists.get(who, {}).items() if joined},
                "left": {name for name, joined in self.lists.get(who, {}).items() if not joined},
                "events": self.events.get(who, {}),
                "customer_id": self.customers.get(who),
            }
            for who, email in self.emails.items()
            if who in told
        }

    def former(self) -> set[str]:
        return self._all_emails - set(self.emails.values())

    def _who(self, body: dict[str, Any]) -> tuple[str, bool]:
        known = identities(body)
        email = stripped(known.get("email", "")).lower()
        who = str(body.get("mpid") or 0)
        if who == "0":  # nobody's
            who = email
        if email:
            self.emails[who] = email
            self._all_emails.add(email)
        if customer := known.get("customer", known.get("customer_id")):
            self.customers[who] = str(customer)
        return who, bool(email)

    def _set(self, body: dict[str, Any], changes: dict[str, Any]) -> None:
        who, reachable = self._who(body)
        if reachable and changes:
            self.vars[who] |= {_var(name): value for name, value in changes.items()}
            self.vars[who].pop("NoTargeting", None)

    def _change(self, body: dict[str, Any], changes: dict[str, Any]) -> None:
        self.no_identity["user_updates"] += not self._who(body)[1]
        self._set(body, changes)

    def _snapshot(self, body: dict[str, Any]) -> None:
        as_said = spoken if "type" in body else as_var
        state = {name: as_said(value) for name, value in body.get("user_attributes", {}).items()}
        state |= dict.fromkeys(body.get("deleted_user_attributes") or [])
        lists = body.get("user_attribute_lists", {}).items()
        self._set(body, state | {name: as_var(value) for name, value in lists})

    def _memberships(self, profile: dict[str, Any]) -> None:
        who, reachable = self._who(profile)
        old_shape = [
            audience | {"action": action}
            for part, action in (("added_audiences", "add"), ("removed_audiences", "delete"))
            for audience in profile.get(part, [])
        ]
        for audience in profile.get("audiences", old_shape):
            shared = [each for each in audience.get("user_attributes", []) if each]
            if shared:
                self._change(profile, {each["key"]: _shared(each) for each in shared})
            if audience["action"] == "attribute_update":
                continue
            joined = audience["action"] == "add"
            self.no_identity["memberships"] += not reachable
            if reachable:
                self.lists[who][self._list(audience)] = joined
            if who.lstrip("-").isdecimal():
                self.segments[who][str(audience["audience_id"])] = str(joined).lower()
            else:
                self.without_mpid += 1

    def _list(self, audience: dict[str, Any]) -> str:
        """An audience's first name, unless that is another's."""
        id_, name = audience["audience_id"], (audience["audience_name"] or "").strip()
        if id_ not in self._names:
            taken = name in self._names.values()
            self._names[id_] = f"{name} ({id_})" if taken else name
        return self._names[id_]

    def _event(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        kind = event.get("type", event.get("event_type"))
        attributes = event.get("attributes", event.get("custom_attributes"))
        if kind is None or not isinstance(attributes, dict | None):
            return
        if kind in {"user_attribute_change", "user_identity_change"}:
            self._change(body, _changed(event) if kind == "user_attribute_change" else {})
        elif kind in SENT and not self._is_old(event) and self._is_new(event):
            name = _name(kind, event)
            self._happened(body, name, str(event.get("id", event.get("event_id"))))

    def _is_old(self, event: dict[str, Any]) -> bool:
        """Older than a year is no event, but a clock that is wrong."""
        return TOO_OLD_MS < self.now_ms - _time(event) < YEAR_MS

    def _is_new(self, event: dict[str, Any]) -> bool:
        """An event that was uploaded before is the same but for its server's id."""
        place = (event.get("source_message_id"), event.get("session_id"), _time(event))
        if place[0] is None or place not in self._uploaded:
            self._uploaded.add(place)
            return True
        return False

    def _happened(self, body: dict[str, Any], name: str, own: str) -> None:
        who, reachable = self._who(body)
        self.no_identity["events"] += not reachable
        if reachable:
            self.events[who].setdefault(name, set()).add(own)


def stripped(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def as_var(value: Any) -> Any:
    if isinstance(value, list):
        texts = [stripped(text) for text in value]
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return True if value is None else stripped(value)


def spoken(value: Any) -> Any:
    """The Firehose has text only; what is exactly true or false is one of these."""
    return value == "true" if value in ("true", "false") else as_var(value)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32,64}", value) is not None


def is_development(body: dict[str, Any]) -> bool:
    debug = (body.get("runtime_environment") or {}).get("is_debug") is True
    return debug or str(body.get("environment")).lower() == "development"


def _var(name: str) -> str:
    plain = name.removeprefix("$")
    own = {each.lower(): each for each in OWN_NAMES}
    if plain != name:
        return own.get(plain.lower(), plain)
    return f"mp_{name}" if name in KEPT else name.strip().replace(" ", "_")


def _time(event: dict[str, Any]) -> int:
    """In milliseconds, in whatever unit it is written; 0 for what has no meaning as a time."""
    written = event.get("timestamp_ms", event.get("timestamp_unixtime_ms")) or 0
    try:
        number = int(written)
    except ValueError:
        return int(datetime.fromisoformat(str(written)).timestamp() * 1000)
    in_ms = (number * 1000, number, number // 1000, number // 10**6)
    return next((at for at in in_ms if EARLIEST_MS < at < LATEST_MS), 0)


def _shared(attribute: dict[str, Any]) -> Any:
    gone = attribute["action"] == "delete"
    return None if gone else spoken(attribute.get("value", attribute.get("list_value")))


def _changed(event: dict[str, Any]) -> dict[str, Any]:
    if "user_attribute_name" in event:
        gone = event.get("deleted", False)
        return {event["user_attribute_name"]: None if gone else as_var(event["new"])}
    added = {name: spoken(value) for name, value in event.get("added", {}).items()}
    return dict.fromkeys(event.get("removed", {})) | added


def _name(kind: str, event: dict[str, Any]) -> str:
    if kind != "custom_event":
        return f"mp_{kind}"
    name = event["name"] if "name" in event else event["event_name"]
    name = name.strip()
    return f"custom_{name}" if name.lower() in RESERVED else name
