"""What events say, in our words: one way for both vocabularies."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from agents.router.raw_message import RawMessage
from agents.router.routed import About, Content
from models.event import Event
from models.mparticle.changes import AttributeChange, AttributesChange, IdentitiesChange
from models.mparticle.commerce import CommerceEvent, ProductActionEvent, PromotionActionEvent
from models.mparticle.events import CustomEvent
from models.mparticle.happened import Happened
from models.mparticle.identity import USER, read_identities
from models.mparticle.values import UnreadableError
from models.record import Identity, Value
from models.user_update import AttributesChanged, IdentitiesChanged

_PROMOTIONS = {"view": "promotion_view", "click": "promotion_click"}


class _Told(NamedTuple):
    at_ms: int
    place: int
    part: Any
    event: Happened
    contents: tuple[Content, ...]


def route_events(
    raw: RawMessage,
    about: About,
    events: list[Any],
    read: Callable[[Any], tuple[str, Happened]],
) -> None:
    """Routes a message's events in the order of their own times; equal times keep their places.

    Changes of identity go before all others. Every record carries the identities that the user
    has at the end of the message, so a destination must know these before it hears anything else:
    else it would make a profile under an address that is about to be another profile's.
    `read` gives an event's kind and content. An event without a time has the message's.
    """
    told = []
    message_ms = about.at_ms or raw.received_at_ms
    for index, part in enumerate(events, raw.take(len(events))):
        try:
            kind, event = read(part)
            contents = _contents(kind, event)
        except (ValidationError, UnreadableError) as error:
            raw.refuse_part(error, "bad_event", index)
        else:
            told.append(_Told(event.at_ms or message_ms, index, part, event, contents))
    for _, index, part, event, contents in sorted(told, key=_order):
        own_id = bool(event.event_id or event.source_id)
        for content in contents:
            raw.emit(content, about, index, part, at_ms=event.at_ms, own_id=own_id)
        if not contents:
            raw.drop("no_change")


def attributes_changed(attributes: dict[str, Value], removed: Iterable[str]) -> tuple[Content, ...]:
    """Says what was set and removed; a name in both keeps its new value."""
    gone = sorted(set(removed) - attributes.keys())
    if not attributes and not gone:
        return ()
    return (Content(AttributesChanged, {"attributes": attributes, "removed": gone}),)


def _order(told: _Told) -> tuple[bool, int]:
    return not isinstance(told.event, IdentitiesChange), told.at_ms


def _contents(kind: str, event: Happened) -> tuple[Content, ...]:
    match event:
        case AttributesChange():
            return attributes_changed(event.added, event.removed)
        case AttributeChange(user_attribute_name=name):
            return attributes_changed({} if event.deleted else {name: event.new}, (name,))
        case IdentitiesChange():
            added, removed = _identities(event.added), _identities(event.removed)
            if not added and not removed:
                return ()
            return (Content(IdentitiesChanged, {"added": added, "removed": removed}),)
        case CommerceEvent():
            return tuple(_commerce(kind, event))
    return (_happened(event, kind, _name(kind, event), event.details()),)


def _name(kind: str, event: Happened) -> str:
    match event:
        case CustomEvent():
            return event.name
        case ProductActionEvent():
            return event.action or kind
        case PromotionActionEvent():
            return _PROMOTIONS.get(event.action or "", "promotion_unknown")
    return kind


def _commerce(kind: str, event: CommerceEvent) -> Iterable[Content]:
    """Makes of each part that is there the event that the Firehose has for it."""
    common = event.details()
    product = common.pop("product_action", None)
    promotion = common.pop("promotion_action", None)
    impressions = common.pop("product_impressions", None)
    if product is not None:
        name = product.get("action") or "product_action"
        yield _happened(event, "product_action", name, common | product)
    if promotion is not None:
        name = _PROMOTIONS.get(promotion.get("action"), "promotion_unknown")
        yield _happened(event, "promotion_action", name, common | promotion)
    if impressions is not None:
        yield _happened(event, "impression", "impression", common | {"impressions": impressions})
    if product is None and promotion is None and impressions is None:
        yield _happened(event, kind, kind, common)


def _happened(event: Happened, kind: str, name: str, details: dict[str, Any]) -> Content:
    fields = {
        "kind": kind,
        "name": name,
        "event_id": event.event_id or event.source_id,
        "session_id": event.session_id,
        "attributes": event.attributes,
        "details": details,
    }
    return Content(Event, fields)


def _identities(written: Any) -> tuple[Identity, ...]:
    # A batch tells one identity where the Firehose has a list.
    return read_identities([written] if isinstance(written, dict) else written, USER, _refuse)


def _refuse(_: int | None, error: UnreadableError) -> NoReturn:
    raise error
