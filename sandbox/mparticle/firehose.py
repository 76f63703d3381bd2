"""Messages of mParticle's Firehose (mparticle-firehose-java-sdk 3.2.0, package `sdk.model`)."""

import hashlib
from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from sandbox.mparticle.catalogue import (
    AUDIENCES,
    GONE,
    SWITCH,
    Attribute,
    Audience,
    Value,
    as_vars,
)
from sandbox.mparticle.firehose_events import draw_event
from sandbox.mparticle.kinds import Kind
from sandbox.mparticle.ledger import Told
from sandbox.mparticle.users import AttributeChange, IdentityChange, User
from sandbox.mparticle.wire import (
    Body,
    chance,
    event_times,
    int64,
    number_or_text,
    uuid,
    weave,
    writing_order,
)

# Stands in every `account_settings`; nothing but dead letters of unreadable bytes may show it.
LEAK_MARKER = "leak-marker-5d0c7a"


class Written(NamedTuple):
    """A message, what it tells Sailthru, and AB Tasty as segments with their values."""

    body: Body
    told: Told
    segments: Mapping[str, str] = MappingProxyType({})


def envelope(rng: Random, message_type: str, time_ms: int) -> Body:
    return {
        "type": message_type,
        "id": uuid(rng),
        "timestamp_ms": time_ms,
        "firehose_version": "3.2.0",
    }


def request(rng: Random, message_type: str, time_ms: int) -> Body:
    settings = {"apiKey": LEAK_MARKER, "sendSms": "false", "region": "7"}
    account = {"account_id": 4411, "account_settings": settings}
    return {**envelope(rng, message_type, time_ms), "account": account}


def event_request(
    rng: Random, user: User, time_ms: int, *, plain: int, changes: bool = True
) -> Written:
    """`plain` is how many events other than changes it has."""
    moves = user.attribute_changes(Kind.FIREHOSE) if changes else []
    step = user.identity_change() if changes else None
    story = _attribute_events(rng, user, moves)
    drawn = [draw_event(rng) for _ in range(max(plain, not moves))]
    events = weave(rng, story, [body for body, _ in drawn])
    if step and not step.silent:
        place = rng.randint(0, len(events))
        events[place:place] = _identity_events(rng, step)
    session, times = int64(rng), event_times(rng, len(events), time_ms)
    for event, at in zip(events, times, strict=True):
        event |= {"id": uuid(rng), "timestamp_ms": at, "session_id": session}
    body = request(rng, "event_processing_request", time_ms) | _user_fields(rng, user)
    body["events"] = [events[place] for place in writing_order(rng, times)]
    changed = as_vars((move.attribute, move.new) for move in moves)
    told = Told(
        vars=changed | as_vars(_shown(user).items()),
        events=[(name, event["id"]) for event, name in drawn if name],
        customer_id=user.identities.get("customer"),
        changes=len(events) - len(drawn),
    )
    return Written(body, told)


def membership_request(rng: Random, user: User, time_ms: int) -> Written:
    """One user's memberships, with attributes shared on a joined audience or as an update."""
    moves = user.membership_changes()
    entries = [membership(audience, joined=joined) for audience, joined in moves.items()]
    shared = user.attribute_changes(Kind.MEMBERSHIP)
    if shared:
        _share(rng, entries, [_shared(user, change) for change in shared])
    rng.shuffle(entries)
    mpid = number_or_text(rng, user.mpid) if chance(rng, 0.1) else str(user.mpid)
    body = request(rng, "audience_membership_change_request", time_ms)
    body["user_profiles"] = [
        {"mpid": mpid, "user_identities": identities(user), "audiences": entries}
    ]
    told = Told(
        vars=as_vars((change.attribute, change.new) for change in shared),
        lists={audience.name: joined for audience, joined in moves.items()},
        customer_id=user.identities.get("customer"),
        changes=bool(shared),
    )
    return Written(body, told, segments(moves))


def segments(moves: Mapping[Audience, bool]) -> dict[str, str]:
    """What AB Tasty is told by memberships."""
    return {audience.segment: str(joined).lower() for audience, joined in moves.items()}


def membership(audience: Audience, *, joined: bool) -> Body:
    return {
        "audience_id": audience.id,
        "audience_name": audience.name,
        "action": "add" if joined else "delete",
        "audience_subscription_settings": {"listId": "77"},
    }


def subscription(rng: Random, audience: Audience, time_ms: int, action: str) -> Body:
    body = request(rng, "audience_subscription_request", time_ms)
    body |= {"audience_id": audience.id, "audience_name": audience.name, "action": action}
    body["audience_subscription_settings"] = {"listId": "78"}
    if action == "update":
        body["previous_audience_subscription_settings"] = {"listId": "77"}
    return body


def identity(kind: str, value: str, encoding: str = "raw") -> Body:
    return {"type": kind, "encoding": encoding, "value": value}


def identities(user: User) -> list[Body]:
    known = [identity(kind, value) for kind, value in user.identities.items()]
    if user.hashed:
        digest = hashlib.sha256(f"{user.mpid}@shop.example".encode()).hexdigest()
        known.append(identity("email", digest, "sha256"))
        if user.mpid % 2:  # the encoding is missing now and then; it is a digest all the same
            del known[-1]["encoding"]
    return known


def _attribute_events(rng: Random, user: User, changes: list[AttributeChange]) -> list[Body]:
    """One event may tell of several names, but of each one once."""
    events: list[Body] = []
    for attribute, old, new in changes:
        name = user.spelled(attribute)
        before = events[-1] if events else None
        alone = before is None or name in before["added"] or name in before["removed"]
        if before is None or alone or chance(rng, 0.5):
            before = {"type": "user_attribute_change", "added": {}, "removed": {}}
            events.append(before)
        if new is GONE:
            before["removed"][name] = "" if old is GONE else _as_text(old)
        else:
            before["added"][name] = _as_text(new)
    for event in events:
        for empty in [part for part in ("added", "removed") if not event[part]]:
            del event[empty]
    return events


def _identity_events(rng: Random, change: IdentityChange) -> list[Body]:
    """One event, or two: what was removed, and then what was added."""
    added: Body = {"type": "user_identity_change", "added": [identity(change.kind, change.new)]}
    if change.old is None:
        return [added]
    removed = [identity(change.kind, change.old)]
    if chance(rng, 0.2):
        return [{"type": "user_identity_change", "removed": removed}, added]
    return [added | {"removed": removed}]


def _shown(user: User) -> dict[Attribute, Value]:
    """Those of a user's attributes that the connection's filter lets pass; tags have no text."""
    return {
        attribute: value
        for attribute, value in user.known.items()
        if isinstance(value, list) or (value is not None and Kind.FIREHOSE in attribute.carriers)
    }


def _user_fields(rng: Random, user: User) -> Body:
    shown = {user.spelled(attribute): value for attribute, value in _shown(user).items()}
    lists = {name: value for name, value in shown.items() if isinstance(value, list)}
    scalars = {name: _as_text(value) for name, value in shown.items() if name not in lists}
    platform = rng.choice(("android", "ios", "mobileweb", "roku"))
    if platform == "mobileweb" and chance(rng, 0.1):
        scalars[SWITCH] = "true"
    fields: Body = {
        "source_id": uuid(rng),
        "mpid": str(user.mpid),
        "user_identities": identities(user),
        "user_attributes": scalars,
        "source_channel": "javascript" if platform == "mobileweb" else "native",
        "runtime_environment": {"type": platform, "is_debug": False, "timezone_offset": 1},
    }
    if chance(rng, 0.5):
        kind = "android_id" if platform == "android" else "ios_vendor_id"
        fields["runtime_environment"]["identities"] = [identity(kind, uuid(rng))]
        fields["device_application_stamp"] = uuid(rng)
    if lists:
        fields["user_attribute_lists"] = lists
    if chance(rng, 0.1):
        consent = {"consented": True, "document": "v2", "timestamp_unixtime_ms": 1_750_000_000_000}
        fields["consent_state"] = {"gdpr_consent_state": {"ads": consent}}
    return fields


def _as_text(value: Value) -> str:
    """The Firehose has text only."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _share(rng: Random, entries: list[Body], shared: list[Body]) -> None:
    joins = [entry for entry in entries if entry["action"] == "add"]
    if joins and chance(rng, 0.5):
        joins[0]["user_attributes"] = shared
        return
    taken = {entry["audience_id"] for entry in entries}
    free = [audience for audience in AUDIENCES if audience.id not in taken]
    update = membership(rng.choice(free), joined=True) | {"action": "attribute_update"}
    entries.append(update | {"user_attributes": shared})


def _shared(user: User, change: AttributeChange) -> Body:
    key, new = user.spelled(change.attribute), change.new
    if new is GONE:
        return {"key": key, "action": "delete"}
    if new is None:
        return {"key": key, "action": "upsert"}
    if isinstance(new, list):
        return {"key": key, "list_value": new, "action": "upsert"}
    return {"key": key, "value": _as_text(new), "action": "upsert"}
