"""Routes a raw message. Pure: no clock, no network, and no bytes that make it raise.

Messages are told apart by mParticle docs, "Firehose Java SDK" and "JSON Reference"; the audience
records of other outputs: "Kinesis Firehose Audience", "Google Cloud Storage Audience"; alias
requests: "Aliasing".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

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
from models.mparticle.event_batch import BATCH_FIELDS
from models.mparticle.parsing import UnreadableMessageError, parse

__all__ = ["Out", "Position", "Routed", "route", "route_together"]

Handler: TypeAlias = Callable[[dict[str, Any], RawMessage], Iterator[None]]
"""Reads a message, pauses (it yields), and routes what was read.

Only then it may ask `snapshots`, which know of the messages before it by then.
"""

# So often a message pauses on its way.
_PAUSES = 2

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
    routes = [(raw, _route(raw, message)) for raw in raws for message in _read(raw)]
    # Of a list each begins where the one before has ended.
    alone = [route for raw, route in routes if not raw.is_list]
    for _ in range(_PAUSES):
        for route in alone:
            next(route, None)
    for _, route in routes:
        for _ in route:
            pass
    return [raw.routed for raw in raws]


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


def _family(message: Any) -> str | None:
    if not isinstance(message, dict):
        return None
    if (type_ := message.get("type")) is not None:
        return type_ if isinstance(type_, str) and type_ in _BY_TYPE else None
    if not BATCH_FIELDS.isdisjoint(message):
        return BATCH
    if "subject_request_id" in message and "subject_identities" in message:
        return "dsr_processing_request"
    return None


def _route(raw: RawMessage, message: Any) -> Iterator[None]:
    """Routes one message whole or not at all: what breaks its frame breaks what is inside.

    It pauses, for other messages to come as far, when nobody's fields are out and when it is read.
    """
    if raw.is_over:
        return
    if raw.is_list:
        raw.begin()
    before = raw.mark()
    try:
        if (family := _family(message)) is None:
            _set_aside(message, raw)
        else:
            raw.routed.strangers += take_strangers(message, family)
            yield
            yield from _HANDLERS[family](message, raw)
            if raw.snapshots is not None:
                raw.snapshots.settle()
        if raw.mark() == before:
            raw.drop("no_op")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs a message, not the flow
        _refuse(raw, before, error)
    if raw.whole is not None:
        # Also a message without parts has a place in the list.
        raw.reserved = max(raw.reserved, raw.whole + 1)


def _refuse(raw: RawMessage, before: tuple[int, int, int], error: Exception) -> None:
    """Makes all of a message that cannot be routed a dead letter."""
    try:
        if isinstance(error, TooMuchError):
            raise error
        raw.back_to(before)
        if isinstance(error, ValidationError):
            raw.refuse_part(error, "bad_message", raw.whole)
        else:
            raw.refuse("router_fault", raw.whole, type(error).__name__)
    except TooMuchError as too_much:
        raw.give_up(too_much)


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


def _stranger(message: dict[str, Any]) -> tuple[str, str]:
    """Returns reason and detail of the dead letter for a message that is none for us."""
    if message.get("request_type") == "alias":
        return "alias_request", "an alias request joins two users; it is not supported"
    if "DeliveryStreamName" in message or {"AudienceName", "IsMember"} <= message.keys():
        return "other_output", "an audience record of mParticle's Kinesis Firehose output"
    if "IsAddRequest" in message:
        return "other_output", "an audience record of mParticle's Google Cloud Storage output"
    return "unknown_message", "neither a type nor what batches have"
