"""Nothing is lost: every part of every raw message ends at every destination in one way."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from tests.chaos.oracle.commits import Commits
from tests.chaos.oracle.evidence import BY_USER, OTHERS, RAW, Evidence
from tests.chaos.oracle.items import Destination, Item, Key
from tests.chaos.oracle.sightings import Sighting
from tests.chaos.traffic import is_development

Part = int | None
"""The index of a part of a raw message; None for all of it."""

_SILENT = ("module_registration_request",)
# A batch has no type, and whoever writes it may leave out what is empty, events too.
_OF_A_BATCH = {"events", "user_identities", "user_attributes", "deleted_user_attributes"}
# Kafka stamps a commit in whole milliseconds.
_GRAIN = 0.001


def unrouted(evidence: Evidence) -> Iterator[str]:
    """Parts of raw messages that became neither a record nor a dead letter."""
    became = defaultdict[tuple[int, int], set[Part]](set)
    for topic in (*BY_USER, *OTHERS):
        for stored in evidence.stored[topic]:
            raw = orjson.loads(stored.value)["raw"]
            became[raw["partition"], raw["offset"]].add(raw["index"])
    for letter in evidence.dead_letters():
        if letter["stage"] == "router":
            became[letter["partition"], letter["offset"]].add(letter.get("index"))
    for stored in evidence.stored[RAW]:
        missing = parts(stored.value) - became[stored.partition, stored.offset]
        if missing:
            where = f"{stored.partition}@{stored.offset}"
            yield f"raw message {where}: parts {sorted(missing, key=str)} became nothing"


def parts(value: bytes) -> set[Part]:
    """Which parts of a raw message must become something."""
    try:
        body = orjson.loads(value)
    except orjson.JSONDecodeError:
        body = None
    found: set[Part] = {None}  # what nobody can read is one dead letter
    match body:
        case _ if is_development(body):
            found = set()
        case {"type": "event_processing_request"}:
            found = _numbered(body.get("events"))
        case {"type": "audience_membership_change_request"}:
            found = _memberships(body.get("user_profiles"))
        case {"type": "audience_subscription_request", "audience_id": _}:
            found = {0}
        case {"type": "dsr_processing_request"}:
            found = {0}
        case {"type": str(kind)} if kind in _SILENT or kind.endswith("_response"):
            found = set()
        case dict() if "type" not in body and body.keys() & _OF_A_BATCH:
            # Its attributes too, but only where they say what was not said before.
            found = _numbered(body.get("events"))
    return found


def _numbered(listed: Any) -> set[Part]:
    if listed is None:
        return set()
    return set(range(len(listed))) if isinstance(listed, list) else {None}


def _memberships(profiles: Any) -> set[Part]:
    if not isinstance(profiles, list):
        return set() if profiles is None else {None}
    fields = ("audiences", "added_audiences", "removed_audiences")
    entries = [entry for each in profiles for field in fields for entry in each.get(field) or ()]
    # What an update shares counts only where it says what was not said before.
    return {
        place for place, entry in enumerate(entries) if entry.get("action") != "attribute_update"
    }


def undelivered(
    destination: Destination,
    found: Mapping[str, Item],
    known: Mapping[Key, Item],
    seen: Iterable[Sighting],
    dead_letters: Iterable[Mapping[str, Any]],
) -> Iterator[str]:
    """Records that ended in no way, or in the wrong one, or in two."""
    missed = {id(item) for item in known.values()} - {id(each.item) for each in seen}
    reasons = {
        letter.get("record_id"): letter["reason"]
        for letter in dead_letters
        if letter.get("destination") == destination
    }
    for record_id, item in found.items():
        expected, reason = item.expected(destination), reasons.get(record_id)
        if expected is not None and reason is not None:
            yield f"{destination}: {item} became a dead letter, {reason}"
        elif expected == "delivered" and id(item) in missed:
            yield f"{destination}: {item} was never delivered"


def committed_early(
    destination: Destination, seen: Iterable[Sighting], commits: Commits
) -> Iterator[str]:
    """Records whose offsets were committed before they had taken effect."""
    first: dict[int, Sighting] = {}
    for sighting in seen:
        first.setdefault(id(sighting.item), sighting)
    for sighting in first.values():
        ahead = sighting.done - committed_at(sighting.item, commits)
        if ahead > _GRAIN:
            yield (
                f"{destination}: {sighting.item} was committed {ahead:.3f} s before "
                f"{sighting.request.source} had it take effect"
            )


def committed_at(item: Item, commits: Commits) -> float:
    """When it first was, in any of its places; infinity when it never was."""
    return min(commits.covered[place].get(at, float("inf")) for place, at in item.places)
