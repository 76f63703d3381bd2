"""When each record took effect at a destination, in which requests."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.chaos.journal import Request
from tests.chaos.oracle.deliveries import Delivery
from tests.chaos.oracle.items import Item, Key


class Sighting(NamedTuple):
    """A record that took effect; `folded` means in the shape of a later one of its user."""

    item: Item
    request: Request
    done: float
    folded: bool = False

    @property
    def place(self) -> int:
        """Its offset, which tells the order of a user's records of one topic."""
        return self.item.places[0][1]


def sightings(found: Iterable[Delivery], known: Mapping[Key, Item]) -> list[Sighting]:
    """In the order of their effects; `found` are deliveries of what is `known`.

    A request shows the last of the updates that it carries. Those of the user that were not seen
    before and stand before it have been folded into it.
    """
    updates = defaultdict[bytes, list[int]](list)
    for each in known.values():
        if each.tag is not None:
            updates[each.user].append(each.tag)
    for tags in updates.values():
        tags.sort()
    reached: defaultdict[bytes, int] = defaultdict(int)
    seen = []
    took_effect = [(told.request.done, told) for told in found if told.request.done is not None]
    for done, (key, request) in sorted(took_effect, key=lambda told: told[0]):
        item = known[key]
        if item.tag is not None:
            tags = updates[item.user]
            first = bisect_right(tags, reached[item.user])
            seen += [
                Sighting(known["update", str(tag)], request, done, folded=True)
                for tag in tags[first : bisect_right(tags, item.tag - 1)]
            ]
            reached[item.user] = max(reached[item.user], item.tag)
        seen.append(Sighting(item, request, done))
    return seen
