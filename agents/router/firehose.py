"""The Firehose's event requests: the family of messages with a `type`."""

from collections.abc import Iterator
from typing import Any

from agents.router.event_contents import Shape
from agents.router.events import read_events, route_events
from agents.router.raw_message import RawMessage
from agents.router.route_result import About
from agents.router.settings import RouterSettings
from agents.router.user_state import identities, route_notifications, route_snapshot
from models.mparticle import base_event, changes, commerce, events
from models.mparticle.firehose import EventRequest
from models.mparticle.identity import DEVICE, USER
from models.mparticle.reading import NO_SHAPE, FrameReader
from models.mparticle.texts import Typed, boolean, boolean_or_number, typed
from models.mparticle.values import LONGEST_KIND, UnreadableError

EVENTS: dict[str, type[base_event.Happened]] = {
    "session_start": base_event.Flagged,
    "session_end": events.SessionEnd,
    "custom_event": events.CustomEvent,
    "screen_view": events.ScreenView,
    "error": events.Error,
    "privacy_setting_change": events.PrivacySettingChange,
    "user_attribute_change": changes.AttributesChange,
    "user_identity_change": changes.IdentitiesChange,
    "push_subscription": events.PushSubscription,
    "push_message_receipt": events.PushPayload,
    "push_message_open": events.PushPayload,
    "application_state_transition": events.ApplicationStateTransition,
    "product_action": commerce.ProductActionEvent,
    "promotion_action": commerce.PromotionActionEvent,
    "impression": commerce.ImpressionEvent,
    "attribution": events.Attribution,
}
_SHAPES = {kind: Shape(kind, of) for kind, of in EVENTS.items()}
_REQUEST = FrameReader(EventRequest)


def route_event_request(message: dict[str, Any], raw: RawMessage) -> Iterator[None]:
    request = _REQUEST.frame(message)
    about = _about(message, request, raw)
    of_text = meaning_of_text(raw.settings)
    events_ = read_events(raw, about, request.events or [], _read, of_text)
    yield
    changed = route_events(raw, about, events_)
    written = request.user_attributes or {}
    if request.user_attribute_lists:
        written = written | request.user_attribute_lists
    route_snapshot(raw, about, typed(written, of_text), [], changed, is_text_only=True)
    if request.system_notifications:
        route_notifications(raw, about, request.system_notifications)


def meaning_of_text(settings: RouterSettings) -> Typed:
    return boolean_or_number if settings.firehose_numbers == "number" else boolean


def _read(part: Any) -> tuple[Shape, dict[str, Any]]:
    kind = part.get("type") if type(part) is dict else None
    if type(kind) is str and (shape := _SHAPES.get(kind)) is not None:
        return shape, part
    if not isinstance(kind, str) or not 0 < len(kind) <= LONGEST_KIND:
        raise UnreadableError(f"an event is an object with a type of up to {LONGEST_KIND} letters")
    return Shape(kind, base_event.UnknownEvent), part


def _about(message: dict[str, Any], request: Any, raw: RawMessage) -> About:
    runtime = request.runtime_environment or NO_SHAPE
    platform = request.platform_fields or NO_SHAPE
    account = request.account or NO_SHAPE
    device = runtime.get("identities")
    fields = {
        "mpid": request.mpid,
        "identities": identities(raw, "user_identities", request.user_identities, USER),
        "device_identities": identities(raw, "runtime_environment.identities", device, DEVICE),
        "partner_identities": identities(
            raw, "partner_identities", request.partner_identities, None
        ),
        "device_stamp": request.device_application_stamp,
        # The Firehose has no field for the environment; debug builds are its development data.
        "environment": "development" if runtime.get("is_debug") else "production",
        "account_id": account.get("account_id") or platform.get("mp_account_id"),
        "workspace_id": platform.get("workspace_id"),
    }
    at_ms = request.timestamp_ms
    scope = [
        request.id,
        at_ms,
        request.device_application_stamp,
        message.get("user_identities"),
    ]
    return About(scope, at_ms, fields)
