"""Event batches, as mParticle's Kafka output writes them (mParticle docs, "JSON Reference")."""

from random import Random

from sandbox.mparticle.batch_events import draw_event
from sandbox.mparticle.catalogue import GONE, State
from sandbox.mparticle.firehose import Written
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

_IDENTITY_TYPES = {"customer": "customer_id", "other2": "other_id_2"}
_CHANNELS = ("native", "native", "javascript", "javascript", "pixel", "desktop", "partner")


def sdk_batch(
    rng: Random, user: User, time_ms: int, *, plain: int, changes: bool = True
) -> Written:
    """A batch from an SDK: its change events tell what changed, its attributes only repeat it.

    `plain` is how many events other than changes it has.
    """
    told = user.attribute_changes(Kind.BATCH) if changes else []
    identity = user.identity_change() if changes else None
    story = [_attribute_event(rng, change) for change in told]
    drawn = [draw_event(rng) for _ in range(max(plain, not told))]
    named = [(_event(event_type, data), names) for event_type, data, names in drawn]
    events = weave(rng, story, [event for event, _ in named])
    if identity:
        first = identity.kind == "email" and identity.old is None
        place = 0 if first else rng.randint(0, len(events))
        events.insert(place, _identity_event(rng, identity, time_ms))
    body = _batch(rng, user, time_ms, rng.choice(_CHANNELS))
    body["events"] = _stamped(rng, events, time_ms)
    body["deleted_user_attributes"] = _gone(user, told)
    return Written(body, updates=len(told) + bool(identity), events=_ids(named))


def server_batch(rng: Random, user: User, time_ms: int, *, kind: Kind, plain: int) -> Written:
    """A snapshot: the user's attributes count as they stand, no event tells of them.

    Batches without events are one from any source, batches from a server always.
    """
    told = user.attribute_changes(kind, at_least_one=True)
    channel = rng.choice(_CHANNELS) if kind is Kind.SNAPSHOT else "server_to_server"
    body = _batch(rng, user, time_ms, channel)
    drawn = [draw_event(rng) for _ in range(plain)]
    named = [(_event(event_type, data), names) for event_type, data, names in drawn]
    if named:
        body["events"] = _stamped(rng, [event for event, _ in named], time_ms)
    else:
        body["events"] = rng.choice(([], None))
    body["deleted_user_attributes"] = _gone(user, told)
    return Written(body, updates=1, events=_ids(named))


def _batch(rng: Random, user: User, time_ms: int, channel: str) -> Body:
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
        "user_attributes": dict(user.known),
        "source_info": {"channel": channel, "partner": None, "is_historical": False},
    }
    if chance(rng, 0.5):
        body["device_info"] = {
            "platform": "iOS",
            "ios_advertising_id": str(uuid(rng)),
            "is_dst": None,
        }
        body["application_info"] = {"application_name": "Shop", "os": "IOS"}
        body["system_notifications"] = []
    return body


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


def _gone(user: User, told: list[AttributeChange]) -> list[str] | None:
    gone = dict.fromkeys(change.name for change in told if change.name not in user.known)
    return list(gone) or None


def _event(event_type: str, data: Body) -> Body:
    return {"event_type": event_type, "data": data}


def _attribute_event(rng: Random, change: AttributeChange) -> Body:
    data: Body = {
        "user_attribute_name": change.name,
        "new": _known(change.new),
        "old": _known(change.old),
    }
    # A removal needs `deleted`: null alone is a tag. Stored samples leave it out otherwise.
    if change.new is GONE or change.new is None or chance(rng, 0.8):
        data |= {"deleted": change.new is GONE, "is_new_attribute": change.old is GONE}
    return _event("user_attribute_change", data)


def _known(state: State) -> object:
    return None if state is GONE else state


def _identity_event(rng: Random, change: IdentityChange, time_ms: int) -> Body:
    old: Body | None = _identity(change.kind, change.old, time_ms)
    if change.old is None and chance(rng, 0.5):
        old = None
    new = _identity(change.kind, change.new, time_ms, created=change.old is None)
    return _event("user_identity_change", {"new": new, "old": old})


def _stamped(rng: Random, events: list[Body], time_ms: int) -> list[Body]:
    session, times = int64(rng), event_times(rng, len(events), time_ms)
    for number, (event, at) in enumerate(zip(events, times, strict=True)):
        event["data"] |= {
            "event_id": number_or_text(rng, int64(rng)),
            "event_num": number,
            "source_message_id": uuid(rng),
            "session_id": number_or_text(rng, session),
            "timestamp_unixtime_ms": number_or_text(rng, at),
        }
    return [events[place] for place in writing_order(rng, times)]


def _ids(named: list[tuple[Body, tuple[str, ...]]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(event["data"]["event_id"])) for event, names in named for name in names)
