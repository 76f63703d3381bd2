"""What events say, in our words: one way for both vocabularies."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from agents.router.identity_pairs import paired
from agents.router.raw_message import RawMessage
from agents.router.routed import TARGETS, About, Content
from agents.router.snapshots import GONE, State
from models.event import Event
from models.mparticle.changes import AttributeChange, AttributesChange, IdentitiesChange
from models.mparticle.commerce import CommerceEvent, ProductActionEvent, PromotionActionEvent
from models.mparticle.events import CustomEvent
from models.mparticle.happened import Happened
from models.mparticle.identity import USER, Named, read_identities
from models.mparticle.texts import Typed, typed, typed_inside
from models.mparticle.times import known_ms
from models.mparticle.values import UnreadableError
from models.record import Value
from models.user_update import AttributesChanged, IdentitiesChanged
from streams.topics import USER_UPDATE

_SERVER_IDS = frozenset({"id", "event_id", "message_id"})
_PROMOTIONS = {"view": "promotion_view", "click": "promotion_click"}


class Said(NamedTuple):
    """What the events of a message changed: the last state of each attribute, and identities."""

    states: dict[str, State]
    adds_identity: bool = False

    def with_(self, content: Content) -> "Said":
        if content.of is IdentitiesChanged:
            return self._replace(adds_identity=self.adds_identity or bool(content.fields["added"]))
        return self._replace(states=self.states | states_of(content))


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
    of_text: Typed | None = None,
) -> Said:
    """Routes a message's events in the order of their own times; equal times keep their places.

    Changes of identity go before all others. Every record carries the identities that the user
    has at the end of the message, so a destination must know these before it hears anything else:
    else it would make a profile under an address that is about to be another profile's.
    `read` gives an event's kind and content, `of_text` what a text among attributes means, where
    all of them are text. An event without a time has the message's. Returns what they changed.
    """
    told = _in_order(_read_all(raw, about, events, read, of_text))
    said = Said({})
    for _, index, part, event, contents in told:
        own_id = bool(event.event_id or event.source_id)
        for content in contents:
            is_routed = raw.emit(content, about, index, part, at_ms=event.at_ms, own_id=own_id)
            if is_routed and TARGETS[content.of][0] is USER_UPDATE:
                said = said.with_(content)
        if not contents:
            raw.drop("no_change")
    return said


def _read_all(
    raw: RawMessage,
    about: About,
    events: list[Any],
    read: Callable[[Any], tuple[str, Happened]],
    of_text: Typed | None,
) -> list[_Told]:
    told = []
    message_ms = known_ms(about.at_ms) or raw.received_at_ms
    for index, part in enumerate(events, raw.take(len(events))):
        try:
            kind, event = read(part)
            contents = _contents(kind, event)
            if of_text is not None:
                contents = tuple(_typed(content, of_text) for content in contents)
        except (ValidationError, UnreadableError) as error:
            raw.refuse_part(error, "bad_event", index)
        else:
            at_ms = known_ms(event.at_ms) or message_ms
            told.append(_Told(at_ms, index, part, event, contents))
    return told


def _in_order(told: list[_Told]) -> list[_Told]:
    if len(told) > 1:
        told.sort(key=_order)
        if type(told[1].event) is IdentitiesChange:
            return _with_pairs(told)
    return told


def without_server_ids(data: dict[str, Any], event: Happened) -> None:
    """Takes out of an event that its sender's own id and time tell apart what differs by upload."""
    if event.source_id and known_ms(event.at_ms):
        for name in _SERVER_IDS.intersection(data):
            del data[name]


def attributes_changed(
    attributes: Mapping[str, Value], removed: Iterable[str]
) -> tuple[Content, ...]:
    """Says what was set and removed; a name in both keeps its new value."""
    gone = sorted(set(removed) - attributes.keys())
    if not attributes and not gone:
        return ()
    return (Content(AttributesChanged, {"attributes": attributes, "removed": gone}),)


def states_of(content: Content) -> dict[str, State]:
    """The states of the attributes that it sets and removes."""
    gone: dict[str, State] = dict.fromkeys(content.fields["removed"], GONE)
    return {**gone, **content.fields["attributes"]}


def _typed(content: Content, of_text: Typed) -> Content:
    fields = dict(content.fields)
    if "attributes" in fields:
        fields["attributes"] = typed(fields["attributes"], of_text)
    if "details" in fields:
        fields["details"] = typed_inside(fields["details"], of_text)
    return Content(content.of, fields)


def _with_pairs(told: list[_Told]) -> list[_Told]:
    contents = iter(paired([content for each in told for content in each.contents]))
    return [each._replace(contents=tuple(islice(contents, len(each.contents)))) for each in told]


def _order(told: _Told) -> tuple[bool, int]:
    return type(told.event) is not IdentitiesChange, told.at_ms


def _contents(kind: str, event: Happened) -> tuple[Content, ...]:
    """Goes by type: `isinstance` of a model that it is not runs Python of pydantic's."""
    if (contents := _CONTENTS.get(type(event))) is not None:
        return contents(kind, event)
    name = _NAMES.get(type(event))
    return (_happened(event, kind, name(kind, event) if name else kind, event.details()),)


def _attributes(_: str, event: AttributesChange) -> tuple[Content, ...]:
    return attributes_changed(event.added, event.removed)


def _attribute(_: str, event: AttributeChange) -> tuple[Content, ...]:
    name = event.user_attribute_name
    return attributes_changed({} if event.deleted else {name: event.new}, (name,))


def _identities(_: str, event: IdentitiesChange) -> tuple[Content, ...]:
    added, removed = _read(event.added), _read(event.removed)
    if not added and not removed:
        return ()
    return (Content(IdentitiesChanged, {"added": added, "removed": removed}),)


def _read(written: Any) -> list[Named]:
    # A batch tells one identity where the Firehose has a list.
    return read_identities([written] if isinstance(written, dict) else written, USER, _refuse)


def _refuse(_: int | None, error: UnreadableError) -> NoReturn:
    raise error


def _commerce(kind: str, event: CommerceEvent) -> tuple[Content, ...]:
    return tuple(_parts(kind, event))


def _parts(kind: str, event: CommerceEvent) -> Iterable[Content]:
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


_CONTENTS: Mapping[type[Happened], Callable[[str, Any], tuple[Content, ...]]] = MappingProxyType(
    {
        AttributesChange: _attributes,
        AttributeChange: _attribute,
        IdentitiesChange: _identities,
        CommerceEvent: _commerce,
    }
)
_NAMES: Mapping[type[Happened], Callable[[str, Any], str]] = MappingProxyType(
    {
        CustomEvent: lambda _, event: event.name,
        ProductActionEvent: lambda kind, event: event.action or kind,
        PromotionActionEvent: lambda _, event: _PROMOTIONS.get(
            event.action or "", "promotion_unknown"
        ),
    }
)
