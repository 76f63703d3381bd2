"""Reads one event of either vocabulary, and says in our words which records it becomes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeAlias

from msgspec import Struct
from pydantic_core import PydanticCustomError

from agents.router.route_result import Content, without_empty
from models.event import Event
from models.mparticle.base_event import LEFT_OUT, Happened
from models.mparticle.changes import AttributeChange, AttributesChange, IdentitiesChange
from models.mparticle.commerce import CommerceEvent, ProductActionEvent, PromotionActionEvent
from models.mparticle.events import CustomEvent, OptOut, PrivacySettingChange
from models.mparticle.identity import USER, Named, read_identities
from models.mparticle.reading import EXTRA, Field, OddError, Reader, Said
from models.mparticle.values import LONGEST_KIND, SCALARS, UnreadableError, is_true, plain
from models.privacy_request import OptOutChanged
from models.record import Value
from models.user_update import AttributesChanged, IdentitiesChanged

_PROMOTIONS = {"view": "promotion_view", "click": "promotion_click"}
# The fields of all events that their details do not repeat.
_TOLD_APART = tuple(Happened.model_fields)
# The ids that mParticle gives an event anew with each upload.
_SERVER_IDS = ("event_id", "message_id", "id")
# mParticle's writers leave out what is empty, some of the time.
_EMPTY: tuple[Any, ...] = ({}, [])

Contents: TypeAlias = Sequence[Content]


class Happening(Struct, frozen=True, gc=False):
    """An event: its own time, whether it has an id of its own at mParticle, and what it says."""

    at_ms: int | None
    own_id: bool
    contents: Contents


class Shape:
    """A kind of event: what records call it, and how it is read."""

    __slots__ = ("_function", "_reader", "kind", "of")

    def __init__(self, kind: str, of: type[Happened]) -> None:
        self.kind = kind
        self.of = of
        self._reader = _reader(of)
        self._function = self._reader.function

    def read(self, data: dict[str, Any]) -> Happening:
        """Returns what an event says; raises ValidationError or UnreadableError.

        Removes what differs by upload from an event that its sender's own id and time identify.
        """
        try:
            happening: Happening = self._function(data)(data, self.kind)
        except (OddError, PydanticCustomError):
            return self._reader.leniently(data, self.kind)
        return happening


class _EventReader(Reader):
    """Reads events of one shape, and says it in our words at once."""

    _arguments: ClassVar[str] = "written, kind"

    def __init__(self, of: type[Happened]) -> None:
        super().__init__(of)
        self._contents = _CONTENTS.get(of)
        self._name = _NAMES.get(of, "kind")
        self._known = {
            **self._known,
            "plain": plain,
            "Content": Content,
            "Event": Event,
            "Happening": Happening,
            "contents_of": self._contents,
            "promotion": _promotion,
        }
        name_of: Callable[[str, Said], str] = eval(  # noqa: S307 - ours
            f"lambda kind, said: {self._name}", {**self._known}
        )
        self._name_of = name_of

    def leniently(self, data: dict[str, Any], kind: str) -> Happening:
        """Reads an event by the model; raises ValidationError or UnreadableError."""
        said = self.by_model(data)
        at_ms: int | None = said.pop("at_ms", None)
        source_id, event_id = said.pop("source_id", None), said.pop("event_id", None)
        common = without_empty(
            {
                "event_id": event_id or source_id,
                "session_id": said.pop("session_id", None),
                "attributes": said.pop("attributes", None),
            }
        )
        if self._contents is not None:
            contents = self._contents(kind, common, said)
        else:
            name = self._name_of(kind, said)
            if extra := said.pop(EXTRA, None):
                said |= {each: value for each, value in extra.items() if each not in LEFT_OUT}
            contents = (_happened(kind, name, common, _details(said)),)
        if source_id and at_ms is not None and at_ms > 0:
            for name in _SERVER_IDS:
                data.pop(name, None)
        return Happening(at_ms, bool(source_id or event_id), contents)

    def _begin(self, absent: Said) -> Iterable[str]:
        yield from (f"{name} = None" for name in _TOLD_APART if name in absent)
        own = {name: each for name, each in absent.items() if name not in _TOLD_APART}
        yield from super()._begin(own)

    def _keep(self, field: Field) -> Iterable[str]:
        if field.name in _TOLD_APART:
            return (f"{field.name} = value",)
        return super()._keep(field) if self._contents is not None else _keep_detail(field.name)

    def _keep_extra(self, names: Sequence[str]) -> Iterable[str]:
        for name in names:
            if name not in LEFT_OUT:
                yield f"value = written[{name!r}]"
                yield from _keep_detail(name)

    def _end(self, names: Sequence[str], absent: Said) -> Iterable[str]:
        yield "own = {}"
        yield "if id_ := event_id or source_id: own['event_id'] = id_"
        for name in ("session_id", "attributes"):
            if name not in absent:
                yield f"if {name}: own[{name!r}] = {name}"
        if self._contents is not None:
            yield "contents = contents_of(kind, own, said)"
        else:
            yield f"own['kind'], own['name'] = kind, {self._name}"
            yield "if said: own['details'] = said"
            yield "contents = (Content(Event, own),)"
        if gone := [f"written[{name!r}]" for name in _SERVER_IDS if name in names]:
            yield f"if source_id and at_ms is not None and at_ms > 0: del {', '.join(gone)}"
        yield "return Happening(at_ms, id_ is not None, contents)"


@cache
def _reader(of: type[Happened]) -> _EventReader:
    return _EventReader(of)


def _keep_detail(name: str) -> Iterable[str]:
    """Yields Python that keeps a detail as `_details` does: an empty text, but no empty list."""
    yield "if type(value) in SCALARS:"
    yield f"    if value is not None: said[{name!r}] = value"
    yield f"elif value: said[{name!r}] = plain(value)"


def attributes_changed(
    attributes: Mapping[str, Value], removed: Iterable[str]
) -> tuple[Content, ...]:
    """Says what was set and removed; a name in both keeps its new value."""
    gone = sorted(set(removed) - attributes.keys()) if removed else None
    if not gone:
        return (Content(AttributesChanged, {"attributes": attributes}),) if attributes else ()
    return (Content(AttributesChanged, without_empty({"attributes": attributes, "removed": gone})),)


def _attributes(_: str, __: Said, said: Said) -> tuple[Content, ...]:
    return attributes_changed(said.get("added", {}), said.get("removed", ()))


def _attribute(_: str, __: Said, said: Said) -> tuple[Content, ...]:
    name = said["user_attribute_name"]
    is_deleted = said["deleted"]
    fields = {"removed": [name]} if is_deleted else {"attributes": {name: said.get("new")}}
    return (Content(AttributesChanged, fields),)


def _identities(_: str, __: Said, said: Said) -> tuple[Content, ...]:
    fields = without_empty(
        {"added": _read(said.get("added")), "removed": _read(said.get("removed"))}
    )
    return (Content(IdentitiesChanged, fields),) if fields else ()


def _read(written: Any) -> list[Named]:
    # A batch tells one identity where the Firehose has a list.
    return read_identities([written] if isinstance(written, dict) else written, USER, _refuse)


def _refuse(_: int | None, error: UnreadableError) -> NoReturn:
    raise error


def _commerce(kind: str, common: Said, said: Said) -> list[Content]:
    """Makes of each part that is there the event that the Firehose has for it."""
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
        name = _promotion(promotion)
        contents.append(_happened("promotion_action", name, common, shared | plain(promotion)))
    if impressions:
        details = shared | {"impressions": plain(impressions)}
        contents.append(_happened("impression", "impression", common, details))
    return contents or [_happened(kind, kind, common, shared)]


def _opt_out(kind: str, common: Said, said: Said) -> list[Content]:
    return _with_opt_out(kind, common, said, {"is_opted_out": said.get("is_opted_out", False)})


def _privacy_setting(kind: str, common: Said, said: Said) -> list[Content]:
    """Reads what the Firehose has for an opt-out; a flag that is left out is false."""
    told: dict[str, Any] = {"is_opted_out": not is_true(said.get("is_enabled"))}
    setting = said.get("setting")
    if isinstance(setting, str) and 0 < len(setting) <= LONGEST_KIND:
        told["setting"] = setting
    return _with_opt_out(kind, common, said, told)


def _with_opt_out(kind: str, common: Said, said: Said, told: dict[str, Any]) -> list[Content]:
    """Says it twice: events may be left out and are kept for days, what people ask for is not."""
    return [_happened(kind, kind, common, _details(said)), Content(OptOutChanged, told)]


def _promotion(said: Said) -> str:
    return _PROMOTIONS.get(said.get("action", ""), "promotion_unknown")


def _happened(
    kind: str, name: str, common: Mapping[str, Any], details: Mapping[str, Any]
) -> Content:
    fields = {**common, "kind": kind, "name": name}
    if details:
        fields["details"] = details
    return Content(Event, fields)


def _details(said: Said) -> dict[str, Any]:
    """Returns an event's own fields, without those that say nothing."""
    return {
        name: value if type(value) in SCALARS else plain(value)
        for name, value in said.items()
        if value or (value is not None and value not in _EMPTY)
    }


_CONTENTS: Mapping[type[Happened], Callable[[str, Said, Said], Contents]] = MappingProxyType(
    {
        AttributesChange: _attributes,
        AttributeChange: _attribute,
        IdentitiesChange: _identities,
        CommerceEvent: _commerce,
        OptOut: _opt_out,
        PrivacySettingChange: _privacy_setting,
    }
)
# In Python, of what records call the kind and what an event has said.
_NAMES: Mapping[type[Happened], str] = MappingProxyType(
    {
        CustomEvent: "said.pop('name')",
        ProductActionEvent: "said.get('action') or kind",
        PromotionActionEvent: "promotion(said)",
    }
)
