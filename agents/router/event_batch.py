"""Event batches: the family of messages without a `type`."""

from typing import Any

from agents.router.events import route_events, without_server_ids
from agents.router.raw_message import RawMessage
from agents.router.routed import About, told
from agents.router.user import environment, identities, route_notifications, route_snapshot
from models.event import BATCH_KINDS
from models.mparticle import changes, commerce, events, happened
from models.mparticle.event_batch import BatchEvent, EventBatch, SourceInfo
from models.mparticle.identity import DEVICE, DEVICE_FIELDS, USER
from models.mparticle.values import LONGEST_KIND

EVENTS: dict[str, type[happened.Happened]] = {
    "session_start": happened.Flagged,
    "session_end": events.SessionEnd,
    "custom_event": events.CustomEvent,
    "screen_view": events.ScreenView,
    "commerce_event": commerce.CommerceEvent,
    "crash_report": events.Error,
    "opt_out": events.OptOut,
    "first_run": happened.Flagged,
    "push_registration": events.PushSubscription,
    "push_message": events.PushMessage,
    "application_state_transition": events.ApplicationStateTransition,
    "network_performance": events.NetworkPerformance,
    "breadcrumb": events.Breadcrumb,
    "profile": events.ProfileEvent,
    "user_attribute_change": changes.AttributeChange,
    "user_identity_change": changes.IdentitiesChange,
    "uninstall": happened.Flagged,
}
_ON_DEVICE = frozenset(DEVICE_FIELDS)
_NO_SOURCE = SourceInfo()
# Of what comes with every message, straight: `model_validate` checks its own arguments first.
_BATCH = EventBatch.__pydantic_validator__
_EVENT = BatchEvent.__pydantic_validator__


def route_batch(message: dict[str, Any], raw: RawMessage) -> None:
    batch = _BATCH.validate_python(message)
    source = batch.source_info or _NO_SOURCE
    about = _about(message, batch, source, raw)
    parts = batch.events or []
    said = route_events(raw, about, parts, _read)
    route_snapshot(raw, about, batch.user_attributes, batch.deleted_user_attributes or [], said)
    if batch.system_notifications:
        route_notifications(raw, about, batch.system_notifications)


def _read(part: Any) -> tuple[str, happened.Happened]:
    kind, data = _opened(part)
    shape = EVENTS.get(kind, happened.UnknownEvent)
    event = shape.__pydantic_validator__.validate_python(data)
    without_server_ids(data, event)
    return BATCH_KINDS.get(kind, kind), event


def _opened(part: Any) -> tuple[str, dict[str, Any]]:
    """An event's type and data; of what is out of the ordinary the model knows what to say."""
    if type(part) is dict:
        kind, data = part.get("event_type"), part.get("data")
        if type(kind) is str and 0 < len(kind) <= LONGEST_KIND and type(data) is dict:
            return kind, data
    event = _EVENT.validate_python(part)
    return event.event_type, event.data or {}


def _about(
    message: dict[str, Any], batch: EventBatch, source: SourceInfo, raw: RawMessage
) -> About:
    device = batch.device_info or {}
    on_device = [
        {"type": name, "value": device[name]}
        for name in sorted(_ON_DEVICE.intersection(device))
        if device[name]
    ]
    is_resent = source.replay_request_id or source.replay_job_id or source.is_historical
    shared = {
        "mpid": batch.mpid,
        "identities": identities(raw, "user_identities", batch.user_identities, USER),
        "device_identities": identities(raw, "device_info", on_device, DEVICE),
        "partner_identities": identities(raw, "partner_identities", batch.partner_identities, None),
        "device_stamp": batch.mp_deviceid,
        "environment": environment(batch.environment),
        "connection_id": batch.unique_id,
        "replayed": bool(is_resent),
    }
    scope = [
        batch.message_id,
        batch.batch_id,
        batch.source_request_id,
        batch.timestamp_unixtime_ms,
        batch.mp_deviceid,
        message.get("user_identities"),
    ]
    return About(scope, batch.timestamp_unixtime_ms, told(shared))
