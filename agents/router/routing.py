"""Routes a raw message. Pure: no clock, no network, and no bytes that make it raise.

Messages are told apart by mParticle docs, "Firehose Java SDK" and "JSON Reference"; the audience
records of other outputs: "Kinesis Firehose Audience", "Google Cloud Storage Audience"; alias
requests: "Aliasing".
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from agents.router.audiences import route_membership, route_subscription
from agents.router.event_batch import route_batch
from agents.router.firehose import route_event_request
from agents.router.privacy import route_subject_request
from agents.router.raw_message import RawMessage, TooMuchError
from agents.router.route_result import Out, Position, Routed, Stranger
from agents.router.schema_drift import BATCH, TELLABLE, take_strangers, tellable
from agents.router.settings import RouterSettings
from agents.router.snapshots import PartitionSnapshots
from models.mparticle.parsing import UnreadableMessageError, parse

__all__ = ["Out", "Position", "Routed", "route", "route_together"]

Handler = Callable[[dict[str, Any], RawMessage], None]

_BY_TYPE: Mapping[str, Handler] = MappingProxyType(
    {
        "event_processing_request": route_event_request,
        "audience_subscription_request": route_subscription,
        "audience_membership_change_request": route_membership,
        "dsr_processing_request": route_subject_request,
    }
)
_HANDLERS: Mapping[str, Handler] = MappingProxyType({**_BY_TYPE, BATCH: route_batch})
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
    snapshots: PartitionSnapshots | None = None,
) -> Routed:
    """Returns all that a raw message becomes: at least one record, dead letter or drop.

    `received_at_ms` is when Kafka took it, in ms since the epoch; `key` is its key there, for the
    dead letters; `snapshots` are what messages before it told of users. The message itself may also
    be a list of messages.
    """
    raw = RawMessage(value, at, received_at_ms, settings, key, snapshots=snapshots)
    [routed] = route_together([raw])
    return routed


def route_together(raws: Sequence[RawMessage]) -> list[Routed]:
    """Routes many messages, stage by stage; returns the result of each.

    No message knows of another, but for what those before it told of their users. One stage's code
    and data fit into the processor's nearest cache, those of all stages do not.
    """
    read = [(raw, message) for raw in raws for message in _read(raw)]
    known = [_take_strangers(raw, message) for raw, message in read]
    for each in known:
        _route(each)
    return [raw.routed for raw in raws]


class _Known(Struct, frozen=True):
    """A message without the fields that nobody knows; `family` is None where we do not route it."""

    raw: RawMessage
    message: Any
    family: str | None
    fault: Exception | None


def _read(raw: RawMessage) -> Sequence[Any]:
    """Returns the message, or the messages that it lists; refuses one that cannot be read."""
    if raw.is_set_aside:
        raw.refuse("set_aside", None, "by ROUTER_DEAD_LETTER_OFFSETS")
        return ()
    try:
        message = parse(raw.value)
    except UnreadableMessageError as error:
        raw.refuse(error.reason, None, error.detail)
        return ()
    if not isinstance(message, list):
        return (message,)
    raw.is_list = True
    if not message:
        raw.drop("no_op")
    return message


def _take_strangers(raw: RawMessage, message: Any) -> _Known:
    family, fault = _family(message), None
    try:
        if family is not None and (found := take_strangers(message, family)):
            raw.routed.strangers += found
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs a message, not the flow
        fault = error
    return _Known(raw, message, family, fault)


def _family(message: Any) -> str | None:
    if not isinstance(message, dict):
        return None
    if (type_ := message.get("type")) is not None:
        return type_ if isinstance(type_, str) and type_ in _BY_TYPE else None
    if _is_batch(message):
        return BATCH
    if "subject_request_id" in message and "subject_identities" in message:
        return "dsr_processing_request"
    return None


def _route(known: _Known) -> None:
    """Routes one message whole or not at all: what breaks its frame breaks what is inside."""
    raw = known.raw
    if raw.is_over:
        return
    try:
        _route_within_bounds(known, raw)
    except TooMuchError as error:
        raw.give_up(error)


def _route_within_bounds(known: _Known, raw: RawMessage) -> None:
    if raw.is_list:
        raw.begin()
    before = raw.mark()
    if raw.snapshots is not None:
        raw.snapshots.reset()
    try:
        _dispatch(known)
        if raw.snapshots is not None:
            raw.snapshots.settle()
    except ValidationError as error:
        raw.back_to(before)
        raw.refuse_part(error, "bad_message", raw.whole)
    except (MemoryError, TooMuchError):
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raw.back_to(before)
        raw.refuse("router_fault", raw.whole, type(error).__name__)
    if raw.mark() == before:
        raw.drop("no_op")
    if raw.whole is not None:
        # Also a message without parts has a place in the list.
        raw.reserved = max(raw.reserved, raw.whole + 1)


def _dispatch(known: _Known) -> None:
    if known.fault is not None:
        raise known.fault
    if known.family is not None:
        _HANDLERS[known.family](known.message, known.raw)
    else:
        _set_aside(known.message, known.raw)


def _set_aside(message: Any, raw: RawMessage) -> None:
    """Drops or refuses what is no message for us."""
    if not isinstance(message, dict):
        raw.refuse("unknown_message", raw.whole, "not an object")
    elif (type_ := message.get("type")) is None:
        reason, detail = _stranger(message)
        raw.refuse(reason, raw.whole, detail)
    elif dropped := _DROPPED.get(name := type_ if isinstance(type_, str) else ""):
        raw.drop(dropped)
    else:
        raw.routed.strangers.append(Stranger("message", tellable(name)))
        detail = f"type {name}" if TELLABLE.fullmatch(name) else "type of unknown form"
        raw.refuse("unknown_message", raw.whole, detail)


def _is_batch(message: dict[str, Any]) -> bool:
    """A batch may be without events, when it only tells of its user."""
    attributes = "user_attributes" in message or "deleted_user_attributes" in message
    return "events" in message or ("user_identities" in message and attributes)


def _stranger(message: dict[str, Any]) -> tuple[str, str]:
    """Returns reason and detail of the dead letter for a message that is none for us."""
    if message.get("request_type") == "alias":
        return "alias_request", "an alias request joins two users; it is not supported"
    if "DeliveryStreamName" in message or {"AudienceName", "IsMember"} <= message.keys():
        return "other_output", "an audience record of mParticle's Kinesis Firehose output"
    if "IsAddRequest" in message:
        return "other_output", "an audience record of mParticle's Google Cloud Storage output"
    return "unknown_message", "neither a type nor events"
