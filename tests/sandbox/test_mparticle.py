"""The ledger says what the messages say, which a second, plain reading of them shows here."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from sandbox.mparticle import (
    LEAK_MARKER,
    Kind,
    Ledger,
    Message,
    Shares,
    Traffic,
    duration_ms,
    generate,
    handwritten,
)
from sandbox.mparticle.batch_events import EVENTS as BATCH_EVENTS
from sandbox.mparticle.catalogue import ATTRIBUTES, GONE
from sandbox.mparticle.firehose import event_request
from sandbox.mparticle.firehose_events import EVENTS as FIREHOSE_EVENTS
from sandbox.mparticle.handwritten.every_event import BATCH, FIREHOSE
from sandbox.mparticle.users import User

NOW_MS = 1_790_000_000_000
FIREHOSE_TYPES = {
    "session_start", "session_end", "custom_event", "screen_view", "error",
    "privacy_setting_change", "user_attribute_change", "user_identity_change",
    "push_subscription", "push_message_receipt", "push_message_open",
    "application_state_transition", "product_action", "promotion_action", "impression",
    "attribution",
}  # fmt: skip
BATCH_TYPES = {
    "session_start", "session_end", "screen_view", "custom_event", "commerce_event",
    "crash_report", "opt_out", "first_run", "pre_attribution", "push_registration",
    "application_state_transition", "push_message", "network_performance", "breadcrumb",
    "profile", "push_reaction", "user_attribute_change", "user_identity_change", "uninstall",
    "unknown", "validation_result",
}  # fmt: skip
MESSAGE_TYPES = {
    f"{stem}_{way}"
    for stem in (
        "module_registration",
        "event_processing",
        "audience_subscription",
        "audience_membership_change",
        "dsr_processing",
    )
    for way in ("request", "response")
}
RESERVED = {"send", "cancel", "open", "click", "purchase", "daily"}


def traffic(seed: int = 5, messages: int = 20_000, **options: Any) -> tuple[list[Message], Ledger]:
    source = generate(seed, 1_000, messages, NOW_MS - duration_ms(messages), **options)
    return list(source), source.ledger


@pytest.fixture(scope="module")
def generated() -> tuple[list[Message], Ledger]:
    return traffic()


def bodies(messages: Iterable[Message]) -> Iterator[Any]:
    """Every readable message; an array of batches as its batches."""
    for each in messages:
        try:
            body = json.loads(each.value)
        except ValueError:
            continue
        yield from body if isinstance(body, list) else [body]


def objects(messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
    return (body for body in bodies(messages) if isinstance(body, dict))


def stripped(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def as_var(value: Any) -> Any:
    if isinstance(value, list):
        texts = [stripped(text) for text in value]
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return True if value is None else stripped(value)


def as_name(attribute: str) -> str:
    return attribute.removeprefix("$").replace(" ", "_")


class Reader:
    """Reads messages in their order, as a plain program without any of the product's worries."""

    def __init__(self) -> None:
        self.vars: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.lists: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        self.events: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
        self.emails: dict[str, str] = {}
        self.segments: defaultdict[str, dict[int, bool]] = defaultdict(dict)
        self.no_identity: Counter[str] = Counter()
        self.seen: set[tuple[str, str]] = set()

    def read(self, body: dict[str, Any]) -> None:
        if body.get("type") == "audience_membership_change_request":
            profiles = body.get("user_profiles")
            for profile in profiles if isinstance(profiles, list) else []:
                self._profile(profile)
        elif isinstance(body.get("events"), list) or "user_attributes" in body:
            self._user(body)

    def _who(self, body: dict[str, Any]) -> tuple[str, str | None]:
        identities = body.get("user_identities") or []
        if isinstance(identities, dict):
            identities = [{"type": kind, "value": value} for kind, value in identities.items()]
        known = {
            each.get("type", each.get("identity_type")): each.get("value", each.get("identity"))
            for each in identities
            if each.get("encoding", "raw") == "raw"
        }
        email = stripped(known["email"]).lower() if known.get("email") else None
        who = str(body.get("mpid", email))
        if email:
            self.emails[who] = email
        return who, email

    def _set(self, who: str, email: str | None, changes: dict[str, Any]) -> None:
        if email is None:
            self.no_identity["user_updates"] += 1
        else:
            self.vars[who] |= {as_name(name): value for name, value in changes.items()}

    def _profile(self, profile: dict[str, Any]) -> None:
        who, email = self._who(profile)
        old_shape = [
            {**audience, "action": action}
            for part, action in (("added_audiences", "add"), ("removed_audiences", "delete"))
            for audience in profile.get(part, [])
        ]
        for audience in profile.get("audiences", old_shape):
            if audience["action"] != "attribute_update":
                joined = audience["action"] == "add"
                if "mpid" in profile:
                    self.segments[who][audience["audience_id"]] = joined
                if email:
                    self.lists[who][audience["audience_name"]] = joined
                else:
                    self.no_identity["memberships"] += 1
            if shared := [each for each in audience.get("user_attributes", []) if each]:
                self._set(who, email, {
                    each["key"]: None if each["action"] == "delete"
                    else as_var(each.get("value", each.get("list_value")))
                    for each in shared
                })  # fmt: skip

    def _user(self, body: dict[str, Any]) -> None:
        who, email = self._who(body)
        events = body.get("events") or []
        channel = (body.get("source_info") or {}).get("channel")
        snapshot = {name: as_var(value) for name, value in body["user_attributes"].items()} | dict.fromkeys(
            body.get("deleted_user_attributes") or []
        ) if "user_attributes" in body else {}
        if "type" not in body and snapshot and (not events or channel == "server_to_server"):
            self._set(who, email, snapshot)
        flat = [{**event, **event.get("data", {})} for event in events]
        for event in sorted(flat, key=_time):
            self._event(who, email, event)

    def _event(self, who: str, email: str | None, event: dict[str, Any]) -> None:
        kind = event.get("type", event.get("event_type"))
        attributes = event.get("attributes", event.get("custom_attributes"))
        if kind is None or not isinstance(attributes, dict | None):
            return
        if kind == "user_attribute_change":
            self._set(who, email, _changed(event))
        elif kind == "user_identity_change":
            self._set(who, email, {})
        else:
            own = str(event.get("id", event.get("event_id")))
            if _time(event) > NOW_MS - 14 * 86_400_000:
                self._happened(who, email, [(name, own) for name in _names(kind, event)])

    def _happened(self, who: str, email: str | None, events: list[tuple[str, str]]) -> None:
        for name, own in events:
            if email is None:
                self.no_identity["events"] += 1
            elif (name, own) not in self.seen:
                self.seen.add((name, own))
                self.events[who].setdefault(name, []).append(own)


def _time(event: dict[str, Any]) -> int:
    return int(event.get("timestamp_ms", event.get("timestamp_unixtime_ms", 0)))


def _changed(event: dict[str, Any]) -> dict[str, Any]:
    if "user_attribute_name" in event:
        gone = event.get("deleted", False)
        return {event["user_attribute_name"]: None if gone else as_var(event["new"])}
    added = {name: as_var(value) for name, value in event.get("added", {}).items()}
    return dict.fromkeys(event.get("removed", {})) | added


def _names(kind: str, event: dict[str, Any]) -> list[str]:
    if kind in {"session_start", "session_end"}:
        return [f"mp_{kind}"]
    names = [kind]
    if kind == "custom_event":
        names = [event.get("name", event.get("event_name"))]
    elif kind in {"product_action", "promotion_action"}:
        names = [event["action"] if kind == "product_action" else f"promotion_{event['action']}"]
    elif kind == "commerce_event":
        names = [event["product_action"]["action"]] if "product_action" in event else []
        if "promotion_action" in event:
            names.append(f"promotion_{event['promotion_action']['action']}")
        names += ["impression"] * ("product_impressions" in event)
    renamed = {"crash_report": "error", "push_registration": "push_subscription"}
    names = [renamed.get(name, name) if kind != "custom_event" else name for name in names]
    return [f"mp_{name}" if name in RESERVED else name for name in names]


def check_against_reading(messages: list[Message], ledger: Ledger) -> None:
    reader = Reader()
    for body in objects(messages):
        if body.get("type") not in MESSAGE_TYPES - {
            "event_processing_request",
            "audience_membership_change_request",
        }:
            reader.read(body)
    # Users who have nothing but an e-mail leave no profile to compare.
    read = {
        email: {
            "vars": reader.vars.get(who, {}),
            "lists": sorted(name for name, joined in reader.lists[who].items() if joined),
            "left": sorted(name for name, joined in reader.lists[who].items() if not joined),
            "events": {name: sorted(ids) for name, ids in reader.events.get(who, {}).items()},
        }
        for who, email in reader.emails.items()
        if who in reader.vars.keys() | reader.lists.keys() | reader.events.keys()
    }
    kept = {
        email: {
            "vars": profile.vars,
            "lists": sorted(profile.lists),
            "left": sorted(profile.left),
            "events": {name: sorted(ids) for name, ids in profile.events.items()},
        }
        for email, profile in ledger.profiles.items()
    }
    assert kept.keys() == read.keys()
    assert {email: kept[email] for email in kept if kept[email] != read[email]} == {}
    assert reader.no_identity == ledger.counts.no_identity
    assert {
        who: {segment.rsplit("-", 1)[1]: value for segment, value in of_user.items()}
        for who, of_user in ledger.segments.items()
    } == {
        who: {str(own): str(joined).lower() for own, joined in of_user.items()}
        for who, of_user in reader.segments.items()
    }


def test_the_ledger_of_generated_traffic_says_what_the_messages_say(
    generated: tuple[list[Message], Ledger],
) -> None:
    check_against_reading(*generated)


def test_the_ledger_of_handwritten_messages_says_what_they_say() -> None:
    check_against_reading(*handwritten(NOW_MS))
