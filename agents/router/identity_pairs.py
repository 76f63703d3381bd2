"""Two events that tell of one change of identity: what was there goes, what is there now comes.

mParticle writes a change as one event with both (`mParticle/firehose-iterable`); servers and older
SDKs tell it as two. A destination must hear both at once to keep a profile with its history.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from agents.router.route_result import Content
from models.mparticle.identity import Named
from models.user_update import IdentitiesChanged

_Of: TypeAlias = list[Named]


def paired(contents: Sequence[Content]) -> list[Content]:
    """Returns the contents, of which each that adds an identity also says which one it replaces.

    The other event of the pair, before or else after it, stays what it is.
    """
    changes = [content for content in contents if content.of is IdentitiesChanged]
    if len(changes) < 2:  # noqa: PLR2004 - a pair
        return list(contents)
    lost = [
        (place, identity)
        for place, content in enumerate(changes)
        for identity in _unmatched(*_removed_and_added(content))
    ]
    completed = {}
    for place, content in enumerate(changes):
        gone, new = _removed_and_added(content)
        came = _unmatched(new, gone)
        found = [each for identity in came for each in _pop_replaced(lost, place, identity)]
        if found:
            removed = [*gone, *found]
            completed[id(content)] = replace(content, fields={**content.fields, "removed": removed})
    return [completed.get(id(content), content) for content in contents]


def _removed_and_added(content: Content) -> tuple[_Of, _Of]:
    return content.fields.get("removed", []), content.fields.get("added", [])


def _unmatched(these: _Of, those: _Of) -> _Of:
    """Returns the identities whose type the other side does not have."""
    types = {identity["type"] for identity in those}
    return [identity for identity in these if identity["type"] not in types]


def _pop_replaced(lost: list[tuple[int, Named]], place: int, came: Named) -> Iterator[Named]:
    """Takes the identity that is replaced out of `lost`: the nearest one before, else after."""
    fits = [
        (at > place, abs(at - place), number)
        for number, (at, gone) in enumerate(lost)
        if gone["type"] == came["type"] and gone != came
    ]
    if fits:
        yield lost.pop(min(fits)[-1])[1]
