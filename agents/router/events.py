"""Routes the events of a message, once they are all read: one way for both vocabularies."""

from collections.abc import Callable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from agents.router.event_contents import Happening, Shape
from agents.router.identity_pairs import paired
from agents.router.raw_message import RawMessage
from agents.router.route_result import About
from agents.router.snapshots import GONE, State
from models.mparticle.changes import IdentitiesChange
from models.mparticle.texts import Typed, typed, typed_inside
from models.mparticle.times import known_ms
from models.mparticle.values import UnreadableError
from models.user_update import AttributesChanged, IdentitiesChanged


class Changed(Struct, frozen=True):
    """The changes by a message's events: each attribute's last state, and whether identities came.

    These count for the snapshot, which says the same once more.
    """

    states: Mapping[str, State]
    adds_identity: bool = False


NOTHING_CHANGED: Final = Changed(MappingProxyType({}))


ReadEvent: TypeAlias = tuple[bool, int, int, Any, Happening]
"""An event that was read. It is sorted by the first three: whether it comes after changes of
identity, its time or else the message's, its index in the message. Then the event as it came, and
what it says."""


def read_events(
    raw: RawMessage,
    about: About,
    events: list[Any],
    read: Callable[[Any], tuple[Shape, dict[str, Any]]],
    of_text: Typed | None = None,
) -> list[ReadEvent]:
    """Reads a message's events, in the order of their own times; equal times keep their places.

    Changes of identity go before all others. Every record carries the identities that the user
    has at the end of the message, so a destination must know these before it hears anything else:
    else it would make a profile under an address that is about to be another profile's.
    `read` gives an event's shape and content, `of_text` what a text among attributes means, where
    all of them are text. An event without a time has the message's.
    """
    found: list[ReadEvent] = []
    message_ms = known_ms(about.at_ms) or raw.received_at_ms
    for index, part in enumerate(events, raw.reserve(len(events))):
        try:
            shape, data = read(part)
            said = shape.read(data)
        except (ValidationError, UnreadableError) as error:
            raw.refuse_part(error, "bad_event", index)
            continue
        if of_text is not None:
            for content in said.contents:
                _type(content.fields, of_text)
        order_ms = known_ms(said.at_ms) or message_ms
        found.append((shape.of is not IdentitiesChange, order_ms, index, part, said))
    return _in_order(found)


def route_events(raw: RawMessage, about: About, events: list[ReadEvent]) -> Changed:
    """Routes the events that were read; returns what they changed."""
    states: dict[str, State] = {}
    adds_identity = False
    is_sure = raw.is_sure_of_changes
    for _, _, index, part, said in events:
        at_ms, own_id = said.at_ms, said.own_id
        for content in said.contents:
            if raw.emit(content, about, index, part, at_ms=at_ms, own_id=own_id, is_sure=is_sure):
                if content.of is AttributesChanged:
                    fields = content.fields
                    if "removed" in fields:
                        states.update(dict.fromkeys(fields["removed"], GONE))
                    if "attributes" in fields:
                        states.update(fields["attributes"])
                elif content.of is IdentitiesChanged:
                    adds_identity = adds_identity or "added" in content.fields
        if not said.contents:
            raw.drop("no_change")
    return Changed(states, adds_identity)


def _in_order(found: list[ReadEvent]) -> list[ReadEvent]:
    if len(found) > 1:
        # No two have one index, so that nothing behind it is compared.
        found.sort()
        if not found[1][0]:
            return _with_pairs(found)
    return found


def _type(fields: dict[str, Any], of_text: Typed) -> None:
    if "attributes" in fields:
        fields["attributes"] = typed(fields["attributes"], of_text)
    if "details" in fields:
        fields["details"] = typed_inside(fields["details"], of_text)


def _with_pairs(found: list[ReadEvent]) -> list[ReadEvent]:
    contents = iter(paired([content for *_, said in found for content in said.contents]))
    return [
        (*place, replace(said, contents=tuple(islice(contents, len(said.contents)))))
        for *place, said in found
    ]
