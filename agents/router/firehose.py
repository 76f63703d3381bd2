"""The Firehose's event requests: family of messages with a `type`."""

from typing import Any

from agents.router.events import route_events
from agents.router.raw_message import About, RawMessage
from agents.router.user import identities, route_notifications, route_snapshot
from models.mparticle import events as e
from models.mparticle.firehose import EventRequest, RuntimeEnvironment
from models.mparticle.identity import DEVICE, USER
from models.mparticle.values import UnreadableError

_EVENTS: dict[str, type[e.Happened]] = {
    "session_start": e.Flagged,
    "session_end": e.SessionEnd,
    "custom_event": e.CustomEvent,
    "screen_view": e.ScreenView,
    "error": e.Error,
    "privacy_setting_change": e.PrivacySettingChange,
    "user_attribute_change": e.AttributesChange,
    "user_identity_change": e.IdentitiesChange,
    "push_subscription": e.PushSubscription,
    "push_message_receipt": e.PushPayload,
    "push_message_open": e.PushPayload,
    "application_state_transition": e.ApplicationStateTransition,
    "product_action": e.ProductActionEvent,
    "promotion_action": e.PromotionActionEvent,
    "impression": e.ImpressionEvent,
    "attribution": e.Attribution,
}


def route_event_request(message: dict[str, Any], raw: RawMessage) -> None:
    request = EventRequest.model_validate(message)
    about = _about(message, request, raw)
    events = request.events or []
    route_events(raw, about, events, _read)
    route_snapshot(
        raw,
        about,
        request.user_attributes | request.user_attribute_lists,
        [],
        has_events=bool(events),
        channel=request.source_channel,
    )
    route_notifications(raw, about, request.system_notifications or [])


def _read(part: Any) -> tuple[str, e.Happened]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or not kind:
        raise UnreadableError("an event is an object with a type")
    return kind, _EVENTS.get(kind, e.UnknownEvent).model_validate(part)


def _about(message: dict[str, Any], request: EventRequest, raw: RawMessage) -> About:
    runtime = request.runtime_environment or RuntimeEnvironment()
    stamp = request.device_application_stamp
    shared = {
        "mpid": request.mpid,
        "identities": identities(raw, "user_identities", request.user_identities, USER),
        "device_identities": identities(raw, "device identities", runtime.identities, DEVICE),
        "partner_identities": identities(
            raw, "partner_identities", request.partner_identities, None
        ),
        "device_stamp": stamp,
        # The Firehose has no field for the environment; debug builds are its development data.
        "environment": "development" if runtime.is_debug else "production",
    }
    scope = [request.id, request.timestamp_ms, stamp, message.get("user_identities")]
    return About(scope, request.timestamp_ms, shared)
