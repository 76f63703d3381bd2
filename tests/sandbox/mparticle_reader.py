"""A second, plain reading of mParticle's messages, to hold the sandbox's ledger against."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.mparticle import Message

RESERVED = {"send", "cancel", "open", "click", "purchase", "daily"}
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
        if each.get("encoding", "raw") == "raw"
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
        self.without_mpid = 0

    def read(self, body: dict[str, Any]) -> None:
        if body.get("type") == "audience_membership_change_request":
            profiles = body.get("user_profiles")
            for profile in profiles if isinstance(profiles, list) else []:
                self._memberships(profile)
        elif body.get("type") in {None, "event_processing_request"}:
            self._snapshot(body)
            events = body.get("events")
            listed = events if isinstance(events, list) else []
            flat = [event | event.get("data", {}) for event in listed]
            for event in sorted(flat, key=_time):
                self._event(body, event)

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
        who = str(body.get("mpid", email))
        if email:
            self.emails[who] = email
            self._all_emails.add(email)
        if customer := known.get("customer", known.get("customer_id")):
            self.customers[who] = str(customer)
        return who, bool(email)

    def _set(self, body: dict[str, Any], changes: dict[str, Any]) -> None:
        who, reachable = self._who(body)
        self.no_identity["user_updates"] += not reachable
        if reachable:
            names = {name: name.removeprefix("$").replace(" ", "_") for name in changes}
            self.vars[who] |= {names[name]: value for name, value in changes.items()}

    def _snapshot(self, body: dict[str, Any]) -> None:
        channel = (body.get("source_info") or {}).get("channel")
        state = {name: as_var(value) for name, value in body.get("user_attributes", {}).items()}
        state |= dict.fromkeys(body.get("deleted_user_attributes") or [])
        if "type" not in body and state and (channel == "server_to_server" or not body["events"]):
            self._set(body, state)

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
                self._set(profile, {each["key"]: _shared(each) for each in shared})
            if audience["action"] == "attribute_update":
                continue
            joined = audience["action"] == "add"
            self.no_identity["memberships"] += not reachable
            if reachable:
                self.lists[who][audience["audience_name"]] = joined
            if "mpid" in profile:
                self.segments[who][str(audience["audience_id"])] = str(joined).lower()
            else:
                self.without_mpid += 1

    def _event(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        kind = event.get("type", event.get("event_type"))
        attributes = event.get("attributes", event.get("custom_attributes"))
        if kind is None or not isinstance(attributes, dict | None):
            return
        if kind in {"user_attribute_change", "user_identity_change"}:
            self._set(body, _changed(event) if kind == "user_attribute_change" else {})
        elif _time(event) > self.now_ms - TOO_OLD_MS:
            self._happened(body, _names(kind, event), str(event.get("id", event.get("event_id"))))

    def _happened(self, body: dict[str, Any], names: list[str], own: str) -> None:
        who, reachable = self._who(body)
        for name in names:
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


def _time(event: dict[str, Any]) -> int:
    return int(event.get("timestamp_ms", event.get("timestamp_unixtime_ms", 0)))


def _shared(attribute: dict[str, Any]) -> Any:
    gone = attribute["action"] == "delete"
    return None if gone else as_var(attribute.get("value", attribute.get("list_value")))


def _changed(event: dict[str, Any]) -> dict[str, Any]:
    if "user_attribute_name" in event:
        gone = event.get("deleted", False)
        return {event["user_attribute_name"]: None if gone else as_var(event["new"])}
    added = {name: as_var(value) for name, value in event.get("added", {}).items()}
    return dict.fromkeys(event.get("removed", {})) | added


def _names(kind: str, event: dict[str, Any]) -> list[str]:
    """Only what mParticle's own Sailthru integration sends."""
    if kind in {"session_start", "session_end"}:
        return [f"mp_{kind}"]
    if kind != "custom_event":
        return []
    name = event["name"] if "name" in event else event["event_name"]
    return [f"custom_{name}" if name in RESERVED else name]
