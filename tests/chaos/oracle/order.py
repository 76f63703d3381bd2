"""Order: per user and topic, and updates before the events that came after them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from tests.chaos.disturbance import Disturbance, disturbed
from tests.chaos.oracle.deliveries import Delivery
from tests.chaos.oracle.evidence import BY_USER, RAW, UPDATES, Evidence, Stored
from tests.chaos.oracle.items import Item, Key
from tests.chaos.oracle.sightings import Sighting

# How long an event waits for an update; docs/architecture/delivery.md, "Updates first".
_PATIENCE_SECONDS = 30.0


def misrouted(evidence: Evidence) -> Iterator[str]:
    """Records written before others of the same user whose raw message came first.

    Of snapshots nothing is said: a router that goes through its last messages again tells some that
    it had known before, and a sink drops them (streams/delivery/ordering/snapshot_order.py).
    """
    events = _events(evidence.stored[RAW])
    for topic in BY_USER:
        seen: set[str] = set()
        reached: dict[tuple[bytes | None, int], tuple[int, ...]] = {}
        for stored in evidence.stored[topic]:
            body = orjson.loads(stored.value)
            if body["id"] in seen:
                continue
            seen.add(body["id"])
            raw = body["raw"]
            place_of_it = raw["partition"], raw["offset"]
            if topic == UPDATES and raw["index"] >= events.get(place_of_it, 0):
                continue
            user = (stored.key, raw["partition"])
            # The identities that a message changes count for all of it, so they go first.
            told = body["kind"] != "identities_changed"
            place = (raw["offset"], told, body.get("occurred_at_ms") or 0, raw["index"])
            if place < reached.get(user, (0,)):
                yield f"{topic} {stored.partition}@{stored.offset} was written after a later one"
            reached[user] = place


def _events(raw: Iterable[Stored]) -> dict[tuple[int, int], int]:
    """How many parts of a message are events, by its place; what the user has stands after them."""
    found = {}
    for stored in raw:
        try:
            body = orjson.loads(stored.value)
        except orjson.JSONDecodeError:
            continue
        told = body.get("events") if isinstance(body, dict) else None
        found[stored.partition, stored.offset] = len(told) if isinstance(told, list) else 0
    return found


def overtaking(seen: Iterable[Sighting], disturbances: Sequence[Disturbance]) -> Iterator[str]:
    """Records that took effect before an earlier one of the same user and topic.

    A first time is compared with all first times; a repeat with what its process did before,
    unless something befell that process.
    """
    ever: dict[tuple[str, bytes], Sighting] = {}
    lately: dict[tuple[str, bytes, str], Sighting] = {}
    known: set[int] = set()
    for sighting in seen:
        item, request = sighting.item, sighting.request
        if item.topic == "audience-membership":
            continue  # a fold shows the last word only, and that is in the final state
        user = (item.topic, item.user)
        process = (*user, request.source)
        first_time = id(item) not in known
        known.add(id(item))
        before = ever.get(user) if first_time else lately.get(process)
        if before is not None and sighting.place < before.place:
            since = before.request.arrived
            if first_time or not disturbed(disturbances, request.source, since, request.arrived):
                yield _shown(before, sighting)
        elif first_time:
            ever[user] = sighting
        lately[process] = sighting


def _shown(before: Sighting, after: Sighting) -> str:
    return (
        f"{after.item} by {after.request.source} took effect {after.done - before.done:.3f} s "
        f"after {before.item} of the same user by {before.request.source}"
    )


@dataclass
class _Updates:
    """One user's updates: tags by raw offset, and when which tag had been answered."""

    offsets: list[tuple[int, int]] = field(default_factory=list)
    answers: list[tuple[float, int]] = field(default_factory=list)

    def due(self, offset: int) -> int:
        """The last tag that stands before, or in, the raw message at an offset."""
        place = bisect_right(self.offsets, (offset, 2**62))
        return self.offsets[place - 1][1] if place else 0

    def answered(self, tag: int) -> float:
        """When an update with that tag, or one that it was folded into, had its answer."""
        return min((at for at, answered in self.answers if answered >= tag), default=float("inf"))


def hasty(
    evidence: Evidence, found: Iterable[Delivery], known: Mapping[Key, Item]
) -> Iterator[str]:
    """Events that were sent before an update of their user that came before them had its answer.

    An event may go after it has waited for its time; how long it has we cannot see, but not longer
    than since its raw message was written.
    """
    written = {(each.partition, each.offset): each.at for each in evidence.stored[RAW]}
    users = defaultdict[bytes, _Updates](_Updates)
    for each in known.values():
        if each.tag is not None:
            users[each.user].offsets.append((each.raw[1], each.tag))
    for user in users.values():
        user.offsets.sort()
    sent: dict[Key, Delivery] = {}
    for delivery in found:
        item = known[delivery.key]
        if item.tag is not None and delivery.request.answered is not None:
            users[item.user].answers.append((delivery.request.answered, item.tag))
        elif item.topic == "events":
            sent.setdefault(delivery.key, delivery)
    for key, delivery in sent.items():
        item = known[key]
        user, arrived = users[item.user], delivery.request.arrived
        tag = user.due(item.raw[1])
        early = user.answered(tag) - arrived if tag else 0.0
        if early > 0 and arrived - written[item.raw] < _PATIENCE_SECONDS:
            yield (
                f"{item} was sent by {delivery.request.source} {early:.3f} s before update {tag} "
                "of the same user had its answer"
            )
