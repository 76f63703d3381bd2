"""Event batches, as mParticle's Kafka output writes them (mParticle docs, "JSON Reference")."""

from random import Random
from typing import TypeAlias

from sandbox.mparticle.batch_events import draw_event
from sandbox.mparticle.catalogue import GONE, SWITCH, State, as_vars
from sandbox.mparticle.firehose import Written
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

# An event, and its name at Sailthru where it goes there by default.
Named: TypeAlias = tuple[Body, str | None]
_EMPTY: tuple[object, ...] = (None, [], {})
_IDENTITY_TYPES = {"customer": "customer_id", "other2": "other_id_2"}
# Where each batch comes from. None: the output leaves that out, as without "Include Metadata".
_CHANNELS = (
    *("native", "native", "native", "javascript", "javascript", "javascript"),
    *("pixel", "desktop", "partner", "unknown", None, None),
)


def sdk_batch(
    rng: Random, user: User, time_ms: int, *, plain: int, changes: bool = True
) -> Written:
    """A batch of events: its change events tell what changed, its attributes how all now stand.

    The attributes may tell more than the events do: what mParticle calculates, and what it learned
    elsewhere. `plain` is how many events other than changes it has.
    """
    user.calculate()
    moves = user.attribute_changes(Kind.BATCH) if changes else []
    step = user.identity_change() if changes else None
    story = [_attribute_event(rng, user, move) for move in moves]
    named = _drawn(rng, max(plain, not moves))
    events = weave(rng, story, [event for event, _ in named])
    if step and not step.silent:
        place = rng.randint(0, len(events))
        events[place:place] = _identity_events(rng, step, time_ms)
    channel = rng.choice(_CHANNELS)
    body = _batch(rng, user, time_ms, channel)
    body["events"] = _stamped(rng, events, time_ms, is_web=channel == "javascript")
    return _written(rng, body, user, moves, named, changes=len(events) - len(named))


def server_batch(rng: Random, user: User, time_ms: int, *, kind: Kind, plain: int) -> Written:
    """A snapshot: the user's attributes count as they stand, no event tells of them.

    Batches without events are one from any source, batches from a server always.
    """
    user.calculate()
    moves = user.attribute_changes(kind, at_least_one=True)
    channel = rng.choice(_CHANNELS) if kind is Kind.SNAPSHOT else "server_to_server"
    body = _batch(rng, user, time_ms, channel)
    named = _drawn(rng, plain)
    if named:
        body["events"] = _stamped(rng, [event for event, _ in named], time_ms)
    else:
        body["events"] = rng.choice(([], None))
    return _written(rng, body, user, moves, named)


def second_upload(rng: Random, user: User, first: Body, time_ms: int) -> Written:
    """The events of a batch once more, in another: of their ids only the client's are the same."""
    body = _batch(rng, user, time_ms, "native")
    body["events"] = [
        event | {"data": event["data"] | {"event_id": number_or_text(rng, int64(rng))}}
        for event in first["events"]
    ]
    return _written(rng, body, user, [], [])


def _written(
    rng: Random,
    body: Body,
    user: User,
    moves: list[AttributeChange],
    named: list[Named],
    *,
    changes: int = 0,
) -> Written:
    gone = dict.fromkeys(move.attribute for move in moves if move.attribute not in user.known)
    body["deleted_user_attributes"] = [user.spelled(attribute) for attribute in gone] or None
    told = Told(
        vars=as_vars((attribute, GONE) for attribute in gone) | as_vars(user.known.items()),
        events=[(name, str(event["data"]["event_id"])) for event, name in named if name],
        customer_id=user.identities.get("customer"),
        changes=changes,
    )
    if chance(rng, 0.3):  # some writers leave out what is empty
        body = {name: value for name, value in body.items() if value not in _EMPTY}
    return Written(body, told)


def _batch(rng: Random, user: User, time_ms: int, channel: str | None) -> Body:
    body: Body = {
        "schema_version": 2,
        "message_id": uuid(rng),
        "message_type": "events",
        "batch_id": number_or_text(rng, int64(rng)),
        "source_request_id": uuid(rng),
        "environment": "production",
        "timestamp_unixtime_ms": time_ms,
        "mpid": number_or_text(rng, user.mpid),
        "user_identities": _identities(rng, user, time_ms),
        "user_attributes": {user.spelled(each): value for each, value in user.known.items()},
    }
    if channel is not None:
        body["source_info"] = {"channel": channel, "partner": None, "is_historical": False}
    if channel == "javascript" and chance(rng, 0.1):
        body["user_attributes"][SWITCH] = True
    if channel == "javascript" and chance(rng, 0.1):
        body["modified"] = True
    if chance(rng, 0.5):
        body["device_info"] = {
            "platform": "iOS",
            "ios_advertising_id": str(uuid(rng)),
            "is_dst": None,
        }
        body["application_info"] = {"application_name": "Shop", "os": "IOS"}
        body["system_notifications"] = [_consent(rng, time_ms)] if chance(rng, 0.1) else []
    return body


def _consent(rng: Random, time_ms: int) -> Body:
    given = {"consented": chance(rng, 0.5), "timestamp_unixtime_ms": time_ms}
    return {"type": "gdpr_consent_state", "purpose": "ads", "new_gdpr_consent_state": given}


def _identities(rng: Random, user: User, time_ms: int) -> object:
    """Outgoing batches list identities; stored samples have the incoming form, an object."""
    known = {_IDENTITY_TYPES.get(kind, kind): value for kind, value in user.identities.items()}
    if not known:
        return rng.choice(([], None))
    if chance(rng, 0.1):
        return known
    return [_identity(kind, value, time_ms) for kind, value in known.items()]


def _identity(kind: str, value: str | None, time_ms: int, *, created: bool = False) -> Body:
    return {
        "identity_type": _IDENTITY_TYPES.get(kind, kind),
        "identity": value,
        "timestamp_unixtime_ms": time_ms,
        "created_this_batch": created,
    }


def _drawn(rng: Random, count: int) -> list[Named]:
    drawn = [draw_event(rng) for _ in range(count)]
    return [(_event(event_type, data), name) for event_type, data, name in drawn]


def _event(event_type: str, data: Body) -> Body:
    return {"event_type": event_type, "data": data}


def _attribute_event(rng: Random, user: User, change: AttributeChange) -> Body:
    data: Body = {
        "user_attribute_name": user.spelled(change.attribute),
        "new": _known(change.new),
        "old": _known(change.old),
    }
    # A removal needs `deleted`: null alone is a tag. Stored samples leave it out otherwise.
    if change.new is GONE or change.new is None or chance(rng, 0.8):
        data |= {"deleted": change.new is GONE, "is_new_attribute": change.old is GONE}
    return _event("user_attribute_change", data)


def _known(state: State) -> object:
    return None if state is GONE else state


def _identity_events(rng: Random, change: IdentityChange, time_ms: int) -> list[Body]:
    """One event, or two: what was removed, and then what was added."""
    old: Body | None = _identity(change.kind, change.old, time_ms)
    new = _identity(change.kind, change.new, time_ms, created=change.old is None)
    if change.old is None and chance(rng, 0.5):
        old = None
    pairs: list[tuple[Body | None, Body | None]] = [(new, old)]
    if change.old is not None and chance(rng, 0.2):
        nothing = _identity(change.kind, None, time_ms)
        pairs = [(nothing, old), (new, nothing)]
    return [_event("user_identity_change", {"new": new, "old": old}) for new, old in pairs]


def _stamped(rng: Random, events: list[Body], time_ms: int, *, is_web: bool = False) -> list[Body]:
    session, times = int64(rng), event_times(rng, len(events), time_ms)
    for number, (event, at) in enumerate(zip(events, times, strict=True)):
        event["data"] |= {
            "event_id": number_or_text(rng, int64(rng)),
            "event_num": number,
            "source_message_id": uuid(rng),
            "session_id": number_or_text(rng, session),
            "timestamp_unixtime_ms": number_or_text(rng, at),
        }
        if is_web and chance(rng, 0.5):  # the web SDK of 2026
            event["data"] |= {
                "page_url": "https://shop.example/look-book",
                "active_time_on_site_ms": rng.randrange(600_000),
            }
    return [events[place] for place in writing_order(rng, times)]
