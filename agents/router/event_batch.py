"""Event batches: the family of messages without a `type`."""

from collections.abc import Mapping
from typing import Any

from agents.router.event_contents import Shape
from agents.router.events import route_events
from agents.router.raw_message import RawMessage
from agents.router.route_result import About
from agents.router.user_state import environment, identities, route_notifications, route_snapshot
from models.event import BATCH_KINDS
from models.mparticle import base_event, changes, commerce, events
from models.mparticle.event_batch import BatchEvent, EventBatch
from models.mparticle.identity import DEVICE, DEVICE_FIELDS, USER
from models.mparticle.reading import NO_SHAPE, Said, reader
from models.mparticle.values import LONGEST_KIND

EVENTS: dict[str, type[base_event.Happened]] = {
    "session_start": base_event.Flagged,
    "session_end": events.SessionEnd,
    "custom_event": events.CustomEvent,
    "screen_view": events.ScreenView,
    "commerce_event": commerce.CommerceEvent,
    "crash_report": events.Error,
    "opt_out": events.OptOut,
    "first_run": base_event.Flagged,
    "push_registration": events.PushSubscription,
    "push_message": events.PushMessage,
    "application_state_transition": events.ApplicationStateTransition,
    "network_performance": events.NetworkPerformance,
    "breadcrumb": events.Breadcrumb,
    "profile": events.ProfileEvent,
    "user_attribute_change": changes.AttributeChange,
    "user_identity_change": changes.IdentitiesChange,
    "uninstall": base_event.Flagged,
}
_ON_DEVICE = frozenset(DEVICE_FIELDS)
_SHAPES = {kind: Shape(BATCH_KINDS.get(kind, kind), of) for kind, of in EVENTS.items()}
_BATCH = reader(EventBatch)
_EVENT = reader(BatchEvent)


def route_batch(message: dict[str, Any], raw: RawMessage) -> None:
    batch = _BATCH.read(message)
    about = _about(message, batch, raw)
    changed = route_events(raw, about, batch.get("events", []), _read)
    attributes, deleted = batch.get("user_attributes", {}), batch.get("deleted_user_attributes", [])
    route_snapshot(raw, about, attributes, deleted, changed)
    if notifications := batch.get("system_notifications"):
        route_notifications(raw, about, notifications)


def _read(part: Any) -> tuple[Shape, dict[str, Any]]:
    """Returns an event's shape and data; raises ValidationError."""
    if type(part) is dict:
        kind, data = part.get("event_type"), part.get("data")
        if type(data) is dict and type(kind) is str:
            if (shape := _SHAPES.get(kind)) is not None:
                return shape, data
            if 0 < len(kind) <= LONGEST_KIND:
                return _unknown(kind), data
    event = _EVENT.by_model(part)
    kind = event["event_type"]
    return _SHAPES.get(kind) or _unknown(kind), event.get("data", {})


def _unknown(kind: str) -> Shape:
    return Shape(BATCH_KINDS.get(kind, kind), base_event.UnknownEvent)


def _about(message: dict[str, Any], batch: Said, raw: RawMessage) -> About:
    source: Mapping[str, Any] = batch.get("source_info", NO_SHAPE)
    device: dict[str, Any] = batch.get("device_info", {})
    on_device = [
        {"type": name, "value": device[name]}
        for name in sorted(_ON_DEVICE.intersection(device))
        if device[name]
    ]
    is_resent = (
        source.get("replay_request_id") or source.get("replay_job_id") or source["is_historical"]
        if source
        else False
    )
    get, at_ms, stamp = batch.get, batch.get("timestamp_unixtime_ms"), batch.get("mp_deviceid")
    user, partner = get("user_identities"), get("partner_identities")
    fields = {
        "mpid": get("mpid"),
        "identities": identities(raw, "user_identities", user, USER),
        "device_identities": identities(raw, "device_info", on_device, DEVICE),
        "partner_identities": identities(raw, "partner_identities", partner, None),
        "device_stamp": stamp,
        "environment": environment(get("environment")),
        "connection_id": get("unique_id"),
        "replayed": bool(is_resent),
    }
    scope = [
        get("message_id"),
        get("batch_id"),
        get("source_request_id"),
        at_ms,
        stamp,
        message.get("user_identities"),
    ]
    return About(scope, at_ms, fields)
