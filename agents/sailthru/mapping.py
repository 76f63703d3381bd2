"""Maps our records to Sailthru's calls. Pure.

Source of the mapping: "mParticle HTTP Integration" of Sailthru's documentation.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agents.sailthru.calls import EventCall, PurchaseCall, UserCall
from agents.sailthru.event_names import event_name
from agents.sailthru.identity import Whom, new_keys
from agents.sailthru.options import ObjectsAs, Options
from agents.sailthru.purchases import MESSAGE_ID, items, purchase_id
from agents.sailthru.var_names import Naming
from models.audience_membership import MembershipChanged
from models.event import Event
from models.record import Record
from models.user_update import AttributesChanged, IdentitiesChanged

# mParticle docs, "Custom Flags": what a flag says is meant for one partner only.
_NOT_TOLD = "custom_flags"
_NOT_OF_A_PURCHASE = frozenset({_NOT_TOLD, "action", "products", "shopping_cart"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def user_call(record: Record, who: Whom, options: Options) -> UserCall:
    """Returns what a user-update says of a user, as the change of one profile."""
    match record:
        case AttributesChanged():
            names, naming = options.var_names.profile((*record.attributes, *record.removed))
            values = {
                var: _of_profile(record.attributes, name, options.profile_objects_as)
                for name, var in names.items()
            }
            return UserCall(who.id, who.key, new_keys(record, who, options), values, naming=naming)
        case IdentitiesChanged():
            return UserCall(who.id, who.key, new_keys(record, who, options))
    raise TypeError(f"{type(record).__name__} changes no profile")


def membership_call(record: MembershipChanged, list_: str, who: Whom) -> UserCall:
    """Returns who is on the list of that name, and who no more."""
    return UserCall(who.id, who.key, lists={list_: int(record.change == "joined")})


def event_call(record: Event, who: Whom, options: Options) -> EventCall:
    details = {
        name: value
        for name, value in record.details.items()
        if value is not None and name != _NOT_TOLD
    }
    ours = {
        "mp_event_id": record.event_id,
        "mp_event_time": _iso_time(record.occurred_at_ms),
        "mp_session_id": record.session_id,
    }
    values, naming = _event_vars(record.attributes, details, ours, options)
    values |= {name: value for name, value in ours.items() if value is not None}
    name = event_name(record.kind, record.name)
    return EventCall(who.id, name, who.key, values, record.name, naming)


def purchase_call(record: Event, email: str, options: Options) -> PurchaseCall:
    """Makes a purchase, found by address; raises UnusableError where Sailthru could not take it."""
    message_id = record.attributes.get(MESSAGE_ID)
    details = {
        name: value
        for name, value in record.details.items()
        if value is not None and name not in _NOT_OF_A_PURCHASE
    }
    attributes = {name: each for name, each in record.attributes.items() if name != MESSAGE_ID}
    values, naming = _event_vars(attributes, details, (), options)
    return PurchaseCall(
        email,
        purchase_id(record),
        items(record, options.product_url_template),
        _date(record.occurred_at_ms),
        str(message_id) if message_id else None,
        values,
        naming,
    )


def list_name(template: str, audience_id: str, audience_name: str | None) -> str | None:
    """The list that an audience would have; None when nobody has said what its name needs."""
    audience_name = (audience_name or "").strip()
    if not audience_name and "{audience_name}" in template:
        return None
    name = template.format(audience_name=audience_name, audience_id=audience_id)
    # Sailthru takes no $ in a list's name: grouparoo/grouparoo, plugins/@grouparoo/sailthru.
    return name.replace("$", "-").strip() or None


def list_apart(name: str, audience_id: str) -> str:
    """Another name, for an audience whose name is another's list."""
    apart = list_name("{audience_name} ({audience_id})", audience_id, name)
    assert apart, "a list has a name"
    return apart


def fold(calls: Iterable[UserCall]) -> tuple[UserCall, int]:
    """Makes one call of the longest run of calls that change the same profile, and counts them.

    The last word on a var or a list holds. Only calls with the same keys fold: a call that sets
    keys may merge two profiles, and what stands before and after that may not change places.
    """
    following = iter(calls)
    first = next(following)
    values, lists, naming = dict(first.vars), dict(first.lists), first.naming
    left_out, size = dict(first.left_out), 1
    for call in following:
        if (call.id, call.key, call.keys) != (first.id, first.key, first.keys):
            break
        values.update(call.vars)
        lists.update(call.lists)
        naming += call.naming
        left_out.update(call.left_out)
        size += 1
    return replace(first, vars=values, lists=lists, naming=naming, left_out=left_out), size


def _event_vars(
    attributes: Mapping[str, object],
    details: Mapping[str, object],
    ours: Iterable[str],
    options: Options,
) -> tuple[dict[str, object], Naming]:
    # Tags are of users. What an event does not say is not true of it.
    attributes = {name: value for name, value in attributes.items() if value is not None}
    named, detailed, naming = options.var_names.event(attributes, details, ours)
    told = [(detailed[name], value) for name, value in details.items()]
    told += [(named[name], value) for name, value in attributes.items()]
    return {var: _as_var(value, options.event_objects_as) for var, value in told}, naming


def _of_profile(attributes: Mapping[str, object], name: str, objects_as: ObjectsAs) -> object:
    if name not in attributes:
        return None
    value = attributes[name]
    return True if value is None else _as_var(value, objects_as)  # a tag


def _as_var(value: object, objects_as: ObjectsAs) -> object:
    if isinstance(value, list | dict) and objects_as == "text":
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


def _date(milliseconds: int | None) -> str | None:
    """Writes a date as Sailthru's page "purchase" does."""
    time = _time(milliseconds)
    return time.strftime("%Y-%m-%d %H:%M:%S UTC") if time else None


def _time(milliseconds: int | None) -> datetime | None:
    try:
        return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _iso_time(milliseconds: int | None) -> str | None:
    time = _time(milliseconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
