"""What events say, in our words: one way for both vocabularies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from agents.router.identity_pairs import paired
from agents.router.raw_message import RawMessage
from agents.router.route_result import About, Content, told
from agents.router.snapshots import GONE, State
from models.event import Event
from models.mparticle.base_event import LEFT_OUT, Happened
from models.mparticle.changes import AttributeChange, AttributesChange, IdentitiesChange
from models.mparticle.commerce import CommerceEvent, ProductActionEvent, PromotionActionEvent
from models.mparticle.events import CustomEvent
from models.mparticle.identity import USER, Named, read_identities
from models.mparticle.reading import EXTRA, Said, reader
from models.mparticle.texts import Typed, typed, typed_inside
from models.mparticle.times import known_ms
from models.mparticle.values import SCALARS, UnreadableError, plain
from models.record import Value
from models.user_update import AttributesChanged, IdentitiesChanged

_PROMOTIONS = {"view": "promotion_view", "click": "promotion_click"}
# mParticle's writers leave out what is empty, some of the time.
_EMPTY: tuple[Any, ...] = ({}, [])


class Shape:
    """A kind of event: what records call it, and how it is read."""

    __slots__ = ("kind", "of", "read")

    def __init__(self, kind: str, of: type[Happened]) -> None:
        self.kind = kind
        self.of = of
        self.read = reader(of).read


class Changed(NamedTuple):
    """What the events of a message changed: the last state of each attribute, and identities."""

    states: Mapping[str, State]
    adds_identity: bool = False


NOTHING_CHANGED: Final = Changed(MappingProxyType({}))


class _Told(Struct, frozen=True):
    """An event; `order_ms` is its time or the message's, `at_ms` what it says itself."""

    order_ms: int
    place: int
    part: Any
    of: type[Happened]
    at_ms: int | None
    own_id: bool
    contents: Sequence[Content]


def route_events(
    raw: RawMessage,
    about: About,
    events: list[Any],
    read: Callable[[Any], tuple[Shape, dict[str, Any]]],
    of_text: Typed | None = None,
) -> Changed:
    """Routes a message's events in the order of their own times; equal times keep their places.

    Changes of identity go before all others. Every record carries the identities that the user
    has at the end of the message, so a destination must know these before it hears anything else:
    else it would make a profile under an address that is about to be another profile's.
    `read` gives an event's shape and content, `of_text` what a text among attributes means, where
    all of them are text. An event without a time has the message's. Returns what they changed.
    """
    told = _in_order(_read_all(raw, about, events, read, of_text))
    states: dict[str, State] = {}
    adds_identity = False
    for each in told:
        for content in each.contents:
            if raw.emit(
                content, about, each.place, each.part, at_ms=each.at_ms, own_id=each.own_id
            ):
                if content.of is AttributesChanged:
                    states.update(dict.fromkeys(content.fields.get("removed", ()), GONE))
                    states.update(content.fields.get("attributes", ()))
                elif content.of is IdentitiesChanged:
                    adds_identity = adds_identity or "added" in content.fields
        if not each.contents:
            raw.drop("no_change")
    return Changed(states, adds_identity)


def _read_all(
    raw: RawMessage,
    about: About,
    events: list[Any],
    read: Callable[[Any], tuple[Shape, dict[str, Any]]],
    of_text: Typed | None,
) -> list[_Told]:
    told = []
    message_ms = known_ms(about.at_ms) or raw.received_at_ms
    for index, part in enumerate(events, raw.take(len(events))):
        try:
            shape, data = read(part)
            said = shape.read(data)
            at_ms: int | None = said.pop("at_ms", None)
            is_timed = at_ms is not None and at_ms > 0
            source_id = said.get("source_id")
            if source_id and is_timed:
                _remove_server_ids(data)
            own_id = bool(source_id or said.get("event_id"))
            contents = _contents(shape, said)
            if of_text is not None:
                for content in contents:
                    _type(content.fields, of_text)
        except (ValidationError, UnreadableError) as error:
            raw.refuse_part(error, "bad_event", index)
        else:
            order_ms = at_ms if is_timed and at_ms else message_ms
            told.append(_Told(order_ms, index, part, shape.of, at_ms, own_id, contents))
    return told


def _in_order(told: list[_Told]) -> list[_Told]:
    if len(told) > 1:
        told.sort(key=_order)
        if told[1].of is IdentitiesChange:
            return _with_pairs(told)
    return told


def _remove_server_ids(data: dict[str, Any]) -> None:
    """Takes out of an event that its sender's own id and time tell apart what differs by upload."""
    data.pop("event_id", None)
    data.pop("message_id", None)
    data.pop("id", None)


def attributes_changed(
    attributes: Mapping[str, Value], removed: Iterable[str]
) -> tuple[Content, ...]:
    """Says what was set and removed; a name in both keeps its new value."""
    gone = sorted(set(removed) - attributes.keys()) if removed else None
    if not gone:
        return (Content(AttributesChanged, {"attributes": attributes}),) if attributes else ()
    return (Content(AttributesChanged, told({"attributes": attributes, "removed": gone})),)


def _type(fields: dict[str, Any], of_text: Typed) -> None:
    if "attributes" in fields:
        fields["attributes"] = typed(fields["attributes"], of_text)
    if "details" in fields:
        fields["details"] = typed_inside(fields["details"], of_text)


def _with_pairs(told: list[_Told]) -> list[_Told]:
    contents = iter(paired([content for each in told for content in each.contents]))
    return [replace(each, contents=tuple(islice(contents, len(each.contents)))) for each in told]


def _order(told: _Told) -> tuple[bool, int]:
    return told.of is not IdentitiesChange, told.order_ms


def _contents(shape: Shape, said: Said) -> Sequence[Content]:
    if (contents := _CONTENTS.get(shape.of)) is not None:
        return contents(shape.kind, said)
    common = _common(said)
    name = _NAMES.get(shape.of)
    named = name(shape.kind, said) if name is not None else shape.kind
    if extra := said.pop(EXTRA, None):
        said |= {each: value for each, value in extra.items() if each not in LEFT_OUT}
    return (_happened(shape.kind, named, common, _details(said)),)


def _attributes(_: str, said: Said) -> tuple[Content, ...]:
    return attributes_changed(said.get("added", {}), said.get("removed", ()))


def _attribute(_: str, said: Said) -> tuple[Content, ...]:
    name = said["user_attribute_name"]
    is_deleted = said["deleted"]
    fields = {"removed": [name]} if is_deleted else {"attributes": {name: said.get("new")}}
    return (Content(AttributesChanged, fields),)


def _identities(_: str, said: Said) -> tuple[Content, ...]:
    fields = told({"added": _read(said.get("added")), "removed": _read(said.get("removed"))})
    return (Content(IdentitiesChanged, fields),) if fields else ()


def _read(written: Any) -> list[Named]:
    # A batch tells one identity where the Firehose has a list.
    return read_identities([written] if isinstance(written, dict) else written, USER, _refuse)


def _refuse(_: int | None, error: UnreadableError) -> NoReturn:
    raise error


def _commerce(kind: str, said: Said) -> list[Content]:
    """Makes of each part that is there the event that the Firehose has for it."""
    common = _common(said)
    product = said.pop("product_action", None)
    promotion = said.pop("promotion_action", None)
    impressions = said.pop("product_impressions", None)
    cart = said.pop("shopping_cart", None)
    shared = _details(said)
    if cart is not None:
        shared["shopping_cart"] = plain(cart)
    contents = []
    if product is not None:
        name = product.get("action") or "product_action"
        contents.append(_happened("product_action", name, common, shared | plain(product)))
    if promotion is not None:
        name = _promotion(kind, promotion)
        contents.append(_happened("promotion_action", name, common, shared | plain(promotion)))
    if impressions:
        details = shared | {"impressions": plain(impressions)}
        contents.append(_happened("impression", "impression", common, details))
    return contents or [_happened(kind, kind, common, shared)]


def _promotion(_: str, said: Said) -> str:
    return _PROMOTIONS.get(said.get("action", ""), "promotion_unknown")


def _common(said: Said) -> dict[str, Any]:
    """Takes out of what an event says the fields of a record that all events have."""
    fields = {}
    source_id = said.pop("source_id", None)
    if event_id := said.pop("event_id", None) or source_id:
        fields["event_id"] = event_id
    if session_id := said.pop("session_id", None):
        fields["session_id"] = session_id
    if attributes := said.pop("attributes", None):
        fields["attributes"] = attributes
    return fields


def _happened(
    kind: str, name: str, common: Mapping[str, Any], details: Mapping[str, Any]
) -> Content:
    fields = {**common, "kind": kind, "name": name}
    if details:
        fields["details"] = details
    return Content(Event, fields)


def _details(said: Said) -> dict[str, Any]:
    """An event's own fields, without those that say nothing."""
    return {
        name: value if type(value) in SCALARS else plain(value)
        for name, value in said.items()
        if value or (value is not None and value not in _EMPTY)
    }


_CONTENTS: Mapping[type[Happened], Callable[[str, Said], Sequence[Content]]] = MappingProxyType(
    {
        AttributesChange: _attributes,
        AttributeChange: _attribute,
        IdentitiesChange: _identities,
        CommerceEvent: _commerce,
    }
)
_NAMES: Mapping[type[Happened], Callable[[str, Said], str]] = MappingProxyType(
    {
        CustomEvent: lambda _, said: said.pop("name"),
        ProductActionEvent: lambda kind, said: said.get("action") or kind,
        PromotionActionEvent: _promotion,
    }
)
