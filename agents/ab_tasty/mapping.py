"""Memberships to rows: who, which segment, which value. And how what waits together folds."""

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TypeVar

from msgspec import Struct

from models.audience_membership import MembershipChanged
from models.record import Identity
from streams.outcomes import Rejected

Entry = TypeVar("Entry")

NO_VISITOR = "no_visitor_id"

# Both rules: AB Tasty docs, "Universal data connector API", file format. Of the punctuation that
# page permits in a value we keep three; the rule for `segment` itself is not published.
_VISITOR_ID = re.compile(r"[A-Za-z0-9-]{1,32}")
_NOT_IN_SEGMENT = re.compile(r"[^A-Za-z0-9\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u00FF_.-]")


class Row(Struct, frozen=True, gc=False):
    """One line of an upload. AB Tasty keeps one value per visitor and segment: the last."""

    visitor_id: str
    segment: str
    value: str


@dataclass(frozen=True, slots=True)
class RowRules:
    """The settings of rows; `identity` is `mpid`, `partner:<type>` or `user:<type>`."""

    identity: str
    segment_name_template: str
    join_value: str
    leave_value: str
    find: Callable[[MembershipChanged], str | None] = field(init=False, repr=False)
    """Finds the visitor id, by `identity`."""
    names_audiences: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", _finder(self.identity))
        named = "{audience_name}" in self.segment_name_template
        object.__setattr__(self, "names_audiences", named)


def no_row(
    change: MembershipChanged, audience_name: str | None, rules: RowRules
) -> Rejected | None:
    """Returns why a change can have no row; None when `row` makes it."""
    if why_not := _against(rules.find(change), rules.identity):
        return why_not
    if not audience_name and rules.names_audiences:
        return audience_unknown(change.audience_id)
    return None


def row(change: MembershipChanged, segment: str, rules: RowRules) -> Row:
    """The row of a change that can have one."""
    visitor = rules.find(change)
    assert visitor, "only what can have a row has one"
    value = rules.join_value if change.change == "joined" else rules.leave_value
    return Row(visitor, segment, value)


def visitor_id(change: MembershipChanged, identity: str) -> str | Rejected:
    found = _finder(identity)(change) or ""
    return _against(found, identity) or found


def _against(found: str | None, identity: str) -> Rejected | None:
    """Says why what was found, if anything, is no visitor's id."""
    if not found:
        return no_visitor(identity)
    if not _VISITOR_ID.fullmatch(found):
        return Rejected("visitor_id", f"its {identity} is not 1 to 32 letters, digits and hyphens")
    return None


def no_visitor(identity: str) -> Rejected:
    return Rejected(NO_VISITOR, f"the record has no {identity}", blames="account")


# One setting, many memberships.
@cache
def _finder(identity: str) -> Callable[[MembershipChanged], str | None]:
    source, _, type_ = identity.partition(":")
    match source:
        case "mpid":
            return lambda change: change.mpid
        case "partner":
            return lambda change: _first_raw(change.partner_identities, type_)
        case _:
            return lambda change: _first_raw(change.identities, type_)


def _first_raw(identities: Iterable[Identity], type_: str) -> str | None:
    return next((i.value for i in identities if i.type == type_ and i.encoding == "raw"), None)


def audience_unknown(audience_id: str) -> Rejected:
    return Rejected(
        "audience_unknown", f"no name is known for audience {audience_id}", blames="account"
    )


# Few audiences, many memberships.
@lru_cache(maxsize=4096)
def segment(template: str, audience_id: str, audience_name: str | None) -> str:
    """Names an audience's segment; every character AB Tasty may refuse becomes a hyphen."""
    name = template.format(audience_id=audience_id, audience_name=audience_name)
    return _NOT_IN_SEGMENT.sub("-", unicodedata.normalize("NFC", name))


def segment_apart(name: str, audience_id: str) -> str:
    """Another segment, for an audience whose segment is another's."""
    return segment("{audience_name}-{audience_id}", audience_id, name)


def fold(
    entries: Iterable[tuple[Hashable, int, Entry]], max_entries: int, max_bytes: int
) -> tuple[list[Entry], int]:
    """Keeps the last entry of each key, in the place of the last.

    Takes (key, size in bytes, entry). Reads the longest run whose result is within both limits,
    one entry at least; returns the result and how many entries were read.
    """
    kept: dict[Hashable, tuple[int, Entry]] = {}
    used = count = 0
    for key, size, entry in entries:
        earlier = kept.get(key)
        grown = used + size - (earlier[0] if earlier else 0)
        more = len(kept) + (earlier is None)
        if count and (grown > max_bytes or more > max_entries):
            break
        if earlier is not None:
            del kept[key]
        kept[key] = (size, entry)
        used = grown
        count += 1
    return [entry for _, entry in kept.values()], count
