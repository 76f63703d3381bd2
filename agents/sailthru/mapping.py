"""From our records to Sailthru's calls: who is meant, what is said. Pure.

Source of the mapping: "mParticle HTTP Integration" of Sailthru's documentation.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from agents.sailthru.calls import EventCall, Key, UserCall
from agents.sailthru.names import var_names
from models.audience_membership import AudienceChanged, MembershipChanged
from models.event import Event
from models.record import Identity, Record
from models.user_update import AttributesChanged, IdentitiesChanged

_SESSION_EVENTS = {"session_start": "mp_session_start", "session_end": "mp_session_end"}
# Page "event": Sailthru answers these with HTTP 400.
_RESERVED_EVENTS = frozenset({"send", "cancel", "open", "click", "purchase", "daily"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """The choices an operator has; the settings describe them."""

    identity_key: Key = "email"
    extid_from: Literal["customer_id", "mpid"] | None = None
    list_name: str = "{audience_name}"
    objects_as: Literal["text", "as_is"] = "text"


class Whom(NamedTuple):
    """`id` finds the profile; `email` is the address it is to have, None where that stays."""

    id: str
    email: str | None = None


class EmailChange(NamedTuple):
    """One address took another's place."""

    old: str
    new: str


def whom(record: Record, options: Options) -> Whom | None:
    """Says whom a record is about; None when it names nobody whom Sailthru could find."""
    added = _email(record.added) if isinstance(record, IdentitiesChanged) else None
    email = added or _email(record.identities)
    if options.identity_key == "extid":
        extid = _extid(record, options)
        return Whom(extid, email) if extid else None
    if change := email_change(record):
        return Whom(change.old, change.new)
    return Whom(email) if email else None


def email_change(record: Record) -> EmailChange | None:
    if not isinstance(record, IdentitiesChanged):
        return None
    old, new = _email(record.removed), _email(record.added)
    return EmailChange(old, new) if old and new and old != new else None


def changes_keys(record: IdentitiesChanged, options: Options) -> bool:
    """Whether Sailthru has a key for one of the identities added."""
    customer_id = options.extid_from == "customer_id" and _first(record.added, "customer_id")
    return bool(customer_id or _email(record.added))


def user_call(record: Record, who: Whom, options: Options) -> UserCall:
    """What a user-update or a membership says of a user, as the change of one profile."""
    match record:
        case AttributesChanged():
            values = {name: _as_var(value, options) for name, value in record.attributes.items()}
            values |= dict.fromkeys(record.removed)
            named, told_apart = _named(values)
            keys = _keys(who, None)
            return UserCall(who.id, options.identity_key, keys, named, told_apart=told_apart)
        case IdentitiesChanged():
            return UserCall(who.id, options.identity_key, _keys(who, _new_extid(record, options)))
        case MembershipChanged():
            name = list_name(record, options)
            assert name, "place() lets no membership without a list pass"
            joined = int(record.change == "joined")
            return UserCall(who.id, options.identity_key, lists={name: joined})
    raise TypeError(f"{type(record).__name__} changes no profile")


def event_call(record: Event, who: Whom, options: Options) -> EventCall:
    details = {
        f"mp_{name}" if name in record.attributes else name: value
        for name, value in record.details.items()
        if value is not None
    }
    ours = {
        "mp_event_id": record.event_id,
        "mp_event_time": _iso_time(record.occurred_at_ms),
        "mp_session_id": record.session_id,
    }
    known = {name: value for name, value in ours.items() if value is not None}
    values = {**details, **record.attributes, **known}
    named, told_apart = _named({name: _as_var(value, options) for name, value in values.items()})
    return EventCall(who.id, _event_name(record), options.identity_key, named, told_apart)


def list_name(record: MembershipChanged | AudienceChanged, options: Options) -> str | None:
    """The list of an audience; None when the message does not say what its name needs."""
    audience_name = (record.audience_name or "").strip()
    if not audience_name and "{audience_name}" in options.list_name:
        return None
    name = options.list_name.format(audience_name=audience_name, audience_id=record.audience_id)
    # Sailthru takes no $ in a list's name: grouparoo/grouparoo, plugins/@grouparoo/sailthru.
    return name.replace("$", "-").strip() or None


def fold(calls: Iterable[UserCall]) -> tuple[UserCall, int]:
    """Makes one call of the longest run of calls that change the same profile, and counts them.

    The last word on a var or a list holds. Only calls with the same keys fold: a call that sets
    keys may merge two profiles, and what stands before and after that may not change places.
    """
    following = iter(calls)
    first = next(following)
    values, lists = dict(first.vars), dict(first.lists)
    told_apart, size = first.told_apart, 1
    for call in following:
        if (call.id, call.key, call.keys) != (first.id, first.key, first.keys):
            break
        values.update(call.vars)
        lists.update(call.lists)
        told_apart += call.told_apart
        size += 1
    return replace(first, vars=values, lists=lists, told_apart=told_apart), size


def _first(identities: Iterable[Identity], type_: str) -> str | None:
    for identity in identities:
        if identity.type == type_ and identity.encoding == "raw" and identity.value.strip():
            return identity.value.strip()
    return None


def _email(identities: Iterable[Identity]) -> str | None:
    email = _first(identities, "email")
    # Sailthru lower-cases addresses itself; whoever groups by them must do the same.
    return email.lower() if email else None


def _extid(record: Record, options: Options) -> str | None:
    if options.extid_from == "mpid":
        return record.mpid
    added = record.added if isinstance(record, IdentitiesChanged) else ()
    return _first((*added, *record.identities), "customer_id")


def _new_extid(record: IdentitiesChanged, options: Options) -> str | None:
    """The extid that an identity change adds to a profile found by e-mail."""
    if options.identity_key == "extid" or options.extid_from is None:
        return None
    return record.mpid if options.extid_from == "mpid" else _first(record.added, "customer_id")


def _keys(who: Whom, extid: str | None) -> dict[str, str]:
    keys = {"email": who.email, "extid": extid}
    return {kind: value for kind, value in keys.items() if value}


def _event_name(record: Event) -> str:
    if record.kind in _SESSION_EVENTS:
        return _SESSION_EVENTS[record.kind]
    return f"mp_{record.name}" if record.name in _RESERVED_EVENTS else record.name


def _named(values: dict[str, Any]) -> tuple[dict[str, Any], int]:
    names, told_apart = var_names(values)
    return {names[name]: value for name, value in values.items()}, told_apart


def _as_var(value: object, options: Options) -> object:
    if value is None:
        return True  # a tag
    if isinstance(value, list | dict) and options.objects_as == "text":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _plain(value)


def _plain(value: object) -> object:
    """The same, without the numbers that JSON has no word for."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value


def _iso_time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        time = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
