"""Messages of mParticle's Firehose (mparticle-firehose-java-sdk 3.2.0, package `sdk.model`)."""

import hashlib
from random import Random
from typing import NamedTuple

from sandbox.mparticle.catalogue import AUDIENCES, GONE, Audience, Value
from sandbox.mparticle.firehose_events import draw_event
from sandbox.mparticle.kinds import Kind
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
    """A message and what it says: user-updates, events as (name at Sailthru, id), memberships."""

    body: Body
    updates: int = 0
    events: tuple[tuple[str, str], ...] = ()
    memberships: int = 0


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
    told = user.attribute_changes(Kind.FIREHOSE) if changes else []
    identity = user.identity_change() if changes else None
    story = _attribute_events(rng, told)
    drawn = [draw_event(rng) for _ in range(max(plain, not told))]
    events = weave(rng, story, [body for body, _ in drawn])
    if identity:
        first = identity.kind == "email" and identity.old is None
        events.insert(0 if first else rng.randint(0, len(events)), _identity_event(identity))
    session, times = int64(rng), event_times(rng, len(events), time_ms)
    for event, at in zip(events, times, strict=True):
        event |= {"id": uuid(rng), "timestamp_ms": at, "session_id": session}
    body = request(rng, "event_processing_request", time_ms) | _user_fields(rng, user)
    body["events"] = [events[place] for place in writing_order(rng, times)]
    return Written(
        body,
        updates=len(story) + bool(identity),
        events=tuple((name, event["id"]) for event, names in drawn for name in names),
    )


def membership_request(rng: Random, user: User, time_ms: int) -> Written:
    """One user's memberships, with attributes shared on a joined audience or as an update."""
    moves = user.membership_changes()
    entries = [membership(audience, joined=joined) for audience, joined in moves.items()]
    shared = user.attribute_changes(Kind.MEMBERSHIP)
    if shared:
        _share(rng, entries, [_shared(change) for change in shared])
    rng.shuffle(entries)
    mpid = number_or_text(rng, user.mpid) if chance(rng, 0.1) else str(user.mpid)
    body = request(rng, "audience_membership_change_request", time_ms)
    body["user_profiles"] = [
        {"mpid": mpid, "user_identities": identities(user), "audiences": entries}
    ]
    return Written(body, updates=bool(shared), memberships=len(moves))


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
    return known


def _attribute_events(rng: Random, changes: list[AttributeChange]) -> list[Body]:
    """One event may tell of several names, but of each one once."""
    events: list[Body] = []
    for name, old, new in changes:
        before = events[-1] if events else None
        alone = before is None or name in before["added"] or name in before["removed"]
        if before is None or alone or chance(rng, 0.5):
            before = {"type": "user_attribute_change", "added": {}, "removed": {}}
            events.append(before)
        if new is GONE:
            before["removed"][name] = "" if old is GONE else old
        else:
            before["added"][name] = new
    for event in events:
        for empty in [part for part in ("added", "removed") if not event[part]]:
            del event[empty]
    return events


def _identity_event(change: IdentityChange) -> Body:
    event: Body = {
        "type": "user_identity_change",
        "added": [identity(change.kind, change.new)],
    }
    if change.old is not None:
        event["removed"] = [identity(change.kind, change.old)]
    return event


def _user_fields(rng: Random, user: User) -> Body:
    scalars = {name: _as_text(value) for name, value in user.known.items() if _is_scalar(value)}
    lists = {name: value for name, value in user.known.items() if isinstance(value, list)}
    platform = rng.choice(("android", "ios", "mobileweb", "roku"))
    fields: Body = {
        "source_id": uuid(rng),
        "mpid": str(user.mpid),
        "user_identities": identities(user),
        "user_attributes": scalars,
        "source_channel": "javascript" if platform == "mobileweb" else "native",
        "runtime_environment": {"type": platform, "is_debug": False, "timezone_offset": 1},
    }
    if lists:
        fields["user_attribute_lists"] = lists
    if chance(rng, 0.1):
        consent = {"consented": True, "document": "v2", "timestamp_unixtime_ms": 1_750_000_000_000}
        fields["consent_state"] = {"gdpr_consent_state": {"ads": consent}}
    return fields


def _is_scalar(value: Value) -> bool:
    return value is not None and not isinstance(value, list)


def _as_text(value: Value) -> str:
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


def _shared(change: AttributeChange) -> Body:
    if change.new is GONE:
        return {"key": change.name, "action": "delete"}
    if change.new is None:
        return {"key": change.name, "action": "upsert"}
    form = "list_value" if isinstance(change.new, list) else "value"
    return {"key": change.name, form: change.new, "action": "upsert"}
