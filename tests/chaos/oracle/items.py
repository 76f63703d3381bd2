"""The distinct records on the topics, and what must become of each."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from tests.chaos.oracle.commits import Place
from tests.chaos.oracle.evidence import BY_USER, Evidence
from tests.chaos.traffic import TAG

Destination = Literal["sailthru", "ab-tasty"]
End = Literal["delivered", "dropped"]
Key = tuple[str, ...]
"""What a record is known by in the requests that carry it."""

# Kinds of events that a worker sends by its default settings.
_SENT = frozenset({"custom_event", "session_start", "session_end"})


@dataclass(slots=True)
class Item:
    """A record that may have been written several times: `places`, in order."""

    topic: str
    user: bytes
    body: dict[str, Any]
    places: list[tuple[Place, int]]

    def __str__(self) -> str:
        (topic, partition), offset = self.places[0]
        return f"{topic} {partition}@{offset}"

    @property
    def raw(self) -> tuple[int, int]:
        """Partition and offset of the message it was first made of."""
        raw = self.body["raw"]
        return raw["partition"], raw["offset"]

    @property
    def email(self) -> str | None:
        for each in self.body.get("identities", ()):
            if each["type"] == "email" and "@" in each["value"]:  # a digest is no address
                return str(each["value"]).lower()
        return None

    @property
    def tag(self) -> int | None:
        number = self.body.get("attributes", {}).get(TAG)
        return int(number) if self.topic == "user-update" and number is not None else None

    def expected(self, destination: Destination) -> End | None:
        """None for what shows only in the final state, or is no matter of the destination."""
        kind = self.body["kind"]
        if self.body.get("environment") == "development":
            return "dropped"
        if destination == "ab-tasty":
            if kind != "membership_changed":
                return None
            return "delivered" if self.body.get("mpid") else "dropped"
        if kind in ("identities_changed", "audience_changed"):
            return None
        if self.topic == "events" and kind not in _SENT:
            return "dropped"
        return "delivered" if self.email else "dropped"


def items(evidence: Evidence) -> dict[str, Item]:
    """By id, in the order in which they were first written to their partitions."""
    found: dict[str, Item] = {}
    for topic in BY_USER:
        for stored in evidence.stored[topic]:
            body = orjson.loads(stored.value)
            item = found.get(body["id"])
            if item is None:
                item = found[body["id"]] = Item(topic, stored.key or b"", body, [])
            item.places.append(((topic, stored.partition), stored.offset))
    return found


def keyed(
    found: Iterable[Item], destination: Destination, present: Mapping[str, str]
) -> dict[Key, Item]:
    """The records that one key tells from all others, for a destination that is to get them.

    `present` maps a former e-mail address to the present one.
    """
    keys = [
        (key, item)
        for item in found
        if item.expected(destination) == "delivered"
        and (key := _key(item, destination, present)) is not None
    ]
    times = Counter(key for key, _ in keys)
    return {key: item for key, item in keys if times[key] == 1}


def _key(item: Item, destination: Destination, present: Mapping[str, str]) -> Key | None:
    body = item.body
    if destination == "ab-tasty":
        return ("segment", body["mpid"], body["audience_id"])
    match item.topic:
        case "events":
            return ("event", str(body.get("event_id")), plain_name(body["name"]))
        case "user-update":
            return None if item.tag is None else ("update", str(item.tag))
    email = item.email or ""
    return ("list", present.get(email, email), body["audience_name"])


def plain_name(name: str) -> str:
    # Sailthru gets some names with a prefix; the id tells events apart all the same.
    return name.strip().removeprefix("mp_").removeprefix("custom_")
