"""Event batches: the family of messages without a `type`."""

from collections.abc import Iterator
from typing import Any

from agents.router.event_contents import Shape
from agents.router.events import read_events, route_events
from agents.router.raw_message import RawMessage
from agents.router.route_result import About
from agents.router.user_state import environment, identities, route_notifications, route_snapshot
from models.event import BATCH_KINDS
from models.mparticle import base_event, changes, commerce, events
from models.mparticle.event_batch import BatchEvent, EventBatch
from models.mparticle.identity import DEVICE, DEVICE_FIELDS, USER
from models.mparticle.reading import FrameReader, Said, reader
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
_BATCH = FrameReader(EventBatch)
_EVENT = reader(BatchEvent)


def route_batch(message: dict[str, Any], raw: RawMessage) -> Iterator[None]:
    batch = _BATCH.frame(message)
    about = _about(message, batch, raw)
    events_ = read_events(raw, about, batch.events or [], _read)
    yield
    changed = route_events(raw, about, events_)
    attributes, deleted = batch.user_attributes or {}, batch.deleted_user_attributes or []
    route_snapshot(raw, about, attributes, deleted, changed)
    if batch.system_notifications:
        route_notifications(raw, about, batch.system_notifications)


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


def _about(message: dict[str, Any], batch: Any, raw: RawMessage) -> About:
    on_device = _on_device(batch.device_info)
    fields = {
        "mpid": batch.mpid,
        "identities": identities(raw, "user_identities", batch.user_identities, USER),
        "device_identities": identities(raw, "device_info", on_device, DEVICE),
        "partner_identities": identities(raw, "partner_identities", batch.partner_identities, None),
        "device_stamp": batch.mp_deviceid,
        "environment": environment(batch.environment),
        "connection_id": batch.unique_id,
        "replayed": _is_resent(batch.source_info),
    }
    at_ms = batch.timestamp_unixtime_ms
    scope = [
        batch.message_id,
        batch.batch_id,
        batch.source_request_id,
        at_ms,
        batch.mp_deviceid,
        message.get("user_identities"),
    ]
    return About(scope, at_ms, fields)


def _on_device(device: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not device:
        return []
    names = _ON_DEVICE.intersection(device)
    return [{"type": name, "value": device[name]} for name in sorted(names) if device[name]]


def _is_resent(source: Said | None) -> bool:
    return source is not None and bool(
        source["is_historical"] or source.get("replay_request_id") or source.get("replay_job_id")
    )
