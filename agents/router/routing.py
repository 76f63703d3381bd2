"""What a raw message becomes. Pure: no clock, no network, and no bytes that make it raise.

How messages are told apart: mParticle docs, "Firehose Java SDK" and "JSON Reference"; the audience
records of other outputs: "Kinesis Firehose Audience", "Google Cloud Storage Audience"; alias
requests: "Aliasing".
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from agents.router.audiences import route_membership, route_subscription
from agents.router.drift import BATCH, TELLABLE, take_strangers, told
from agents.router.event_batch import route_batch
from agents.router.firehose import route_event_request
from agents.router.parsing import UnreadableMessageError, parse
from agents.router.privacy import route_subject_request
from agents.router.raw_message import RawMessage
from agents.router.routed import Out, Position, Routed, Stranger
from agents.router.settings import RouterSettings

__all__ = ["Out", "Position", "Routed", "route"]

Handler = Callable[[dict[str, Any], RawMessage], None]

_ROUTED: Mapping[str, Handler] = MappingProxyType(
    {
        "event_processing_request": route_event_request,
        "audience_subscription_request": route_subscription,
        "audience_membership_change_request": route_membership,
        "dsr_processing_request": route_subject_request,
    }
)
_DROPPED: Mapping[str, str] = MappingProxyType(
    {
        "module_registration_request": "module_registration",
        "module_registration_response": "response",
        "event_processing_response": "response",
        "audience_subscription_response": "response",
        "audience_membership_change_response": "response",
        "dsr_processing_response": "response",
    }
)


def route(
    value: bytes,
    at: Position,
    received_at_ms: int,
    settings: RouterSettings,
    key: bytes | None = None,
) -> Routed:
    """Returns all that a raw message becomes: at least one record, dead letter or drop.

    `received_at_ms` is when Kafka took it, in ms since the epoch; `key` is its key there, for the
    dead letters. The message itself may also be a list of messages.
    """
    raw = RawMessage(value, at, received_at_ms, settings, key)
    try:
        message = parse(value)
    except UnreadableMessageError as error:
        raw.refuse(error.reason, None, error.detail)
        return raw.routed
    if not isinstance(message, list):
        _route(message, raw)
        return raw.routed
    for element in message:
        raw.whole = raw.taken
        _route(element, raw)
        # Also a message without parts has a place in the list.
        raw.taken = max(raw.taken, raw.whole + 1)
    if not message:
        raw.drop("no_op")
    return raw.routed


def _route(message: Any, raw: RawMessage) -> None:
    """Routes one message whole or not at all: what breaks its frame breaks what is inside."""
    before = raw.mark()
    try:
        _dispatch(message, raw)
    except ValidationError as error:
        raw.back_to(before)
        raw.refuse_part(error, "bad_message", raw.whole)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs a message, not the flow
        raw.back_to(before)
        raw.refuse("router_fault", raw.whole, type(error).__name__)
    if raw.mark() == before:
        raw.drop("no_op")


def _dispatch(message: Any, raw: RawMessage) -> None:
    if not isinstance(message, dict):
        raw.refuse("unknown_message", raw.whole, "not an object")
    elif (type_ := message.get("type")) is not None:
        _dispatch_type(type_, message, raw)
    elif _is_batch(message):
        raw.routed.strangers += take_strangers(message, BATCH)
        route_batch(message, raw)
    elif "subject_request_id" in message and "subject_identities" in message:
        _dispatch_type("dsr_processing_request", message, raw)
    else:
        reason, detail = _stranger(message)
        raw.refuse(reason, raw.whole, detail)


def _dispatch_type(type_: Any, message: dict[str, Any], raw: RawMessage) -> None:
    name = type_ if isinstance(type_, str) else ""
    if handler := _ROUTED.get(name):
        raw.routed.strangers += take_strangers(message, name)
        handler(message, raw)
    elif reason := _DROPPED.get(name):
        raw.drop(reason)
    else:
        raw.routed.strangers.append(Stranger("message", told(name)))
        detail = f"type {name}" if TELLABLE.fullmatch(name) else "type of unknown form"
        raw.refuse("unknown_message", raw.whole, detail)


def _is_batch(message: dict[str, Any]) -> bool:
    """A batch may be without events, when it only tells of its user."""
    attributes = "user_attributes" in message or "deleted_user_attributes" in message
    return "events" in message or ("user_identities" in message and attributes)


def _stranger(message: dict[str, Any]) -> tuple[str, str]:
    """Says of a message that is none for us what it is."""
    if message.get("request_type") == "alias":
        return "alias_request", "an alias request joins two users; it is not supported"
    if "DeliveryStreamName" in message or {"AudienceName", "IsMember"} <= message.keys():
        return "other_output", "an audience record of mParticle's Kinesis Firehose output"
    if "IsAddRequest" in message:
        return "other_output", "an audience record of mParticle's Google Cloud Storage output"
    return "unknown_message", "neither a type nor events"
