"""The Firehose's event requests: the family of messages with a `type`."""

from typing import Any

from agents.router.events import route_events, without_server_ids
from agents.router.raw_message import RawMessage
from agents.router.routed import About, told
from agents.router.settings import RouterSettings
from agents.router.user import identities, route_notifications, route_snapshot
from models.mparticle import changes, commerce, events, happened
from models.mparticle.firehose import Account, EventRequest, PlatformFields, RuntimeEnvironment
from models.mparticle.identity import DEVICE, USER
from models.mparticle.texts import Typed, boolean, boolean_or_number, typed
from models.mparticle.values import LONGEST_KIND, UnreadableError

EVENTS: dict[str, type[happened.Happened]] = {
    "session_start": happened.Flagged,
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
# As in event_batch.py.
_REQUEST = EventRequest.__pydantic_validator__
_NO_RUNTIME = RuntimeEnvironment()
_NO_PLATFORM = PlatformFields()
_NO_ACCOUNT = Account()


def route_event_request(message: dict[str, Any], raw: RawMessage) -> None:
    request = _REQUEST.validate_python(message)
    about = _about(message, request, raw)
    parts = request.events or []
    of_text = meaning_of_text(raw.settings)
    said = route_events(raw, about, parts, _read, of_text)
    attributes = typed(request.user_attributes | request.user_attribute_lists, of_text)
    route_snapshot(raw, about, attributes, [], said, is_text_only=True)
    if request.system_notifications:
        route_notifications(raw, about, request.system_notifications)


def meaning_of_text(settings: RouterSettings) -> Typed:
    return boolean_or_number if settings.firehose_numbers == "number" else boolean


def _read(part: Any) -> tuple[str, happened.Happened]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or not 0 < len(kind) <= LONGEST_KIND:
        raise UnreadableError(f"an event is an object with a type of up to {LONGEST_KIND} letters")
    shape = EVENTS.get(kind, happened.UnknownEvent)
    event: happened.Happened = shape.__pydantic_validator__.validate_python(part)
    without_server_ids(part, event)
    return kind, event


def _about(message: dict[str, Any], request: EventRequest, raw: RawMessage) -> About:
    runtime = request.runtime_environment or _NO_RUNTIME
    platform = request.platform_fields or _NO_PLATFORM
    stamp = request.device_application_stamp
    shared = {
        "mpid": request.mpid,
        "identities": identities(raw, "user_identities", request.user_identities, USER),
        "device_identities": identities(
            raw, "runtime_environment.identities", runtime.identities, DEVICE
        ),
        "partner_identities": identities(
            raw, "partner_identities", request.partner_identities, None
        ),
        "device_stamp": stamp,
        # The Firehose has no field for the environment; debug builds are its development data.
        "environment": "development" if runtime.is_debug else "production",
        "account_id": (request.account or _NO_ACCOUNT).account_id or platform.mp_account_id,
        "workspace_id": platform.workspace_id,
    }
    scope = [request.id, request.timestamp_ms, stamp, message.get("user_identities")]
    return About(scope, request.timestamp_ms, told(shared))
