"""mParticle sends old messages again: whatever routers and sinks forget, no user goes back to them.

Routers and a sink meet as they do in production: by records and their headers, in a log.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.router.raw_message import RawMessage
from agents.router.routing import Out, route_together
from agents.router.schema_drift import told_kind
from agents.router.settings import RouterSettings
from agents.router.snapshots import Snapshots
from models.record import RawPosition, Value, kinds_superseded_by
from models.user_update import AttributesChanged
from streams import headers
from streams.delivery.ordering.snapshot_order import SnapshotOrder
from streams.headers import Marks
from streams.topics import RAW, USER_UPDATE

_RAW, _UPDATES = TP(RAW.name, 0), TP(USER_UPDATE.name, 0)
_SENT_MS = 1_760_000_000_000
_TIER: Mapping[str, Any] = {"tier": "gold"}

Profile = dict[str, Value]


class Stored(NamedTuple):
    """A raw message, when Kafka took it, and whether a person sent it again of a dead letter."""

    value: bytes
    received_at_ms: int
    is_redriven: bool = False


class World:
    """A raw topic, a router, a topic of updates, and a sink; each of them may forget."""

    def __init__(self, users: int = 10, **chosen: Any) -> None:
        self._settings = RouterSettings(**chosen)
        self._raw: list[Stored] = []
        self._messages: list[bytes] = []
        self._routed = 0
        self._memory = Snapshots(users)
        self._updates: list[Marks] = []
        self._order = SnapshotOrder(100)
        self._ids = set[bytes | None]()
        self.profiles: dict[str | None, Profile] = {}
        self.dropped = 0

    def send(self, message: Mapping[str, Any], late_ms: int = 0) -> None:
        """Sends a message, which Kafka takes so much later."""
        value = orjson.dumps(message)
        self._messages.append(value)
        self._take(value, message["timestamp_unixtime_ms"] + late_ms)

    def send_again(self, number: int) -> None:
        if self._messages:
            self._take(self._messages[number % len(self._messages)], 0)

    def redrive(self, message: Mapping[str, Any]) -> None:
        """A person sends again what the router set aside unread, to behind all there is."""
        self._take(orjson.dumps(message), 0, is_redriven=True)

    def restart_router(self, uncommitted: int = 0) -> None:
        """It goes through so many messages again, and remembers nothing."""
        self._memory.forget(_RAW)
        self._routed = max(0, self._routed - uncommitted)
        self._route()

    def restart_sink(self) -> None:
        """It reads back what it knew, as recovery does."""
        self._order = SnapshotOrder(100)
        for offset, marks in enumerate(self._updates):
            self._order.see(_UPDATES, "7", marks, offset)
            if marks.kind in kinds_superseded_by("raw position"):
                self._order.is_overtaken(_UPDATES, "7", marks, offset)

    def _take(self, value: bytes, received_at_ms: int, *, is_redriven: bool = False) -> None:
        latest = self._raw[-1].received_at_ms if self._raw else 0
        self._raw.append(Stored(value, max(latest, received_at_ms), is_redriven))
        self._route()

    def _route(self) -> None:
        for offset in range(self._routed, len(self._raw)):
            stored = self._raw[offset]
            raw = RawMessage(
                stored.value,
                RawPosition(topic=RAW.name, partition=0, offset=offset, index=0),
                stored.received_at_ms,
                self._settings,
                snapshots=self._memory.of(_RAW, stored.received_at_ms),
                is_redriven=stored.is_redriven,
            )
            [routed] = route_together([raw])
            for out in routed.outs:
                if out.topic is USER_UPDATE:
                    self._deliver(out)
        self._routed = len(self._raw)

    def _deliver(self, out: Out) -> None:
        made = headers.make(out.id, told_kind(out.kind), 0, out.origin)
        marks, offset = headers.read(made), len(self._updates)
        self._updates.append(marks)
        if marks.identity in self._ids:
            return
        self._ids.add(marks.identity)
        self._order.see(_UPDATES, "7", marks, offset)
        record = out.record
        if not isinstance(record, AttributesChanged):
            return
        if self._order.is_overtaken(_UPDATES, "7", marks, offset):
            self.dropped += 1
            return
        profile = self.profiles.setdefault(record.mpid, {})
        profile.update(record.attributes)
        for name in record.removed:
            profile.pop(name, None)


def says(
    at: int,
    attributes: Mapping[str, Any],
    *,
    removed: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A message of one user; what it `changes` it tells by events too."""
    events = [
        {
            "event_type": "user_attribute_change",
            "data": {
                "event_id": 100 * at + number,
                "timestamp_unixtime_ms": _SENT_MS + at,
                "user_attribute_name": name,
                "new": state,
                "deleted": state is None,
            },
        }
        for number, (name, state) in enumerate((changes or {}).items())
    ]
    return {
        "mpid": 7,
        "message_id": f"m-{at}",
        "timestamp_unixtime_ms": _SENT_MS + at,
        "user_attributes": dict(attributes),
        "deleted_user_attributes": list(removed),
        "events": events,
    }


def added(at: int, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """One that adds an address, with which all is routed."""
    data = {"event_id": at, "new": {"identity_type": "email", "identity": "kit@users.example"}}
    return says(at, attributes) | {"events": [{"event_type": "user_identity_change", "data": data}]}


OLD: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "a snapshot that said nothing new": [says(1, _TIER), says(2, _TIER)],
    "a change, and then nothing new": [says(1, _TIER, changes=_TIER), says(2, _TIER)],
    "one that adds an address": [says(1, _TIER), added(2, _TIER)],
    "one that lacks what was removed": [says(1, {"tier": "gold", "pet": "cat"})] * 1
    + [says(2, {"tier": "gold", "pet": "cat"}), says(3, _TIER, removed=["pet"])],
}


@pytest.mark.parametrize("restarts_sink", [False, True], ids=["", "and of the sink"])
@pytest.mark.parametrize("snapshots", ["changed", "always"])
@pytest.mark.parametrize("old", OLD)
def test_after_a_restart_no_old_message_takes_back_what_a_newer_one_told(
    old: str, snapshots: str, *, restarts_sink: bool
) -> None:
    for number in range(len(OLD[old])):
        world = World(snapshots=snapshots)
        for message in (*OLD[old], says(50, {"tier": "silver"})):
            world.send(message)
        world.restart_router()
        if restarts_sink:
            world.restart_sink()
        before = dict(world.profiles["7"])
        world.send_again(number)
        assert world.profiles["7"] == before


def test_what_a_router_was_not_sure_of_is_told_by_the_next_message() -> None:
    """The sink left it out; a router that believed it to be told would not tell it again."""
    world = World()
    for message in (says(1, _TIER), says(2, _TIER), says(3, {"tier": "silver"})):
        world.send(message)
    world.restart_router()
    world.send_again(1)
    assert (world.profiles["7"], world.dropped) == ({"tier": "silver"}, 1)
    world.send(says(4, _TIER))
    assert world.profiles["7"] == _TIER


def test_a_late_message_of_a_user_of_whom_nothing_newer_was_told_counts() -> None:
    world = World()
    world.send(says(1, {}))
    world.restart_router()
    world.send(says(2, _TIER), late_ms=3_600_000)
    assert (world.profiles["7"], world.dropped) == (_TIER, 0)


def test_a_user_who_had_no_room_in_the_memory_does_not_go_back() -> None:
    world = World(users=1)
    for message in (says(1, _TIER), says(2, _TIER), says(3, {"tier": "silver"})):
        world.send(message)
    world.send(says(4, {"tier": "bronze"}) | {"mpid": 8})
    world.send_again(1)
    assert world.profiles["7"] == {"tier": "silver"}


def test_a_user_with_more_attributes_than_are_remembered_does_not_go_back() -> None:
    many: dict[str, Any] = {f"name {number}": 1 for number in range(1_001)}
    world = World()
    world.send(says(1, many | {"tier": "gold"}))
    world.send(says(2, many | {"tier": "gold"}))
    world.send(says(3, many | {"tier": "silver"}))
    world.send_again(0)
    world.send_again(1)
    assert world.profiles["7"]["tier"] == "silver"


def test_two_old_messages_by_turns_fill_in_nothing_that_was_told() -> None:
    """The first's own change makes unsure what counts of it; that is not that nobody told it."""
    world = World()
    world.send(says(1, _TIER, changes=_TIER))
    world.send(says(2, _TIER))
    world.send(says(3, {"tier": "silver"}, changes={"tier": "silver"}))
    world.send_again(0)
    world.send_again(1)
    assert world.profiles["7"] == {"tier": "silver"}


BRONZE: Mapping[str, Any] = {"tier": "bronze"}
FORGETS = ["", "router", "sink"]


@pytest.mark.parametrize("snapshots", ["changed", "always"])
@pytest.mark.parametrize("forgets", FORGETS)
def test_a_raw_message_that_a_person_sends_again_takes_nothing_back(
    snapshots: str, forgets: str
) -> None:
    """Its own changes are older than what came since, as its snapshot is."""
    world = World(snapshots=snapshots)
    world.send(says(1, {}))
    world.send(says(3, _TIER, changes=_TIER))
    if forgets == "router":
        world.restart_router()
    if forgets == "sink":
        world.restart_sink()
    world.redrive(says(2, BRONZE, changes=BRONZE))
    assert world.profiles["7"] == _TIER
    assert world.dropped > 0
    world.send(says(4, _TIER))
    assert world.profiles["7"] == _TIER


@pytest.mark.parametrize("snapshots", ["changed", "always", "never"])
@pytest.mark.parametrize("forgets", FORGETS)
def test_a_raw_message_that_a_person_sends_again_counts_where_nothing_newer_came(
    snapshots: str, forgets: str
) -> None:
    world = World(snapshots=snapshots)
    world.send(says(1, _TIER, changes=_TIER))
    if forgets == "router":
        world.restart_router()
    world.redrive(says(2, BRONZE, changes=BRONZE))
    assert world.profiles["7"] == BRONZE


@pytest.mark.parametrize("snapshots", ["changed", "always"])
def test_what_is_left_out_of_one_is_told_by_the_next_message(snapshots: str) -> None:
    world = World(snapshots=snapshots)
    world.send(says(1, _TIER, changes=_TIER))
    world.send(says(3, {"tier": "silver"}, changes={"tier": "silver"}))
    world.redrive(says(2, {"tier": "gold", "pet": "cat"}, changes={"pet": "cat"}))
    world.send(says(4, {"tier": "silver", "pet": "cat"}))
    assert world.profiles["7"] == {"tier": "silver", "pet": "cat"}


def test_where_no_message_tells_it_again_a_change_that_is_sent_again_counts() -> None:
    """As any late one does: nobody else would tell it."""
    world = World(snapshots="never")
    world.send(says(3, {"tier": "gold", "pet": "dog"}, changes={"pet": "dog"}))
    world.redrive(says(2, _TIER, changes=_TIER))
    assert world.profiles["7"] == {"tier": "gold", "pet": "dog"}


class Step(NamedTuple):
    """A new message, if it `sends` one, and what comes again then, or who starts again."""

    sends: bool
    changes: Mapping[str, str | None]
    quietly: Mapping[str, str | None]
    late_ms: int
    then: str
    number: int


_STATES = st.sampled_from(["gold", "silver", None])
_CHANGES = st.dictionaries(st.sampled_from(["tier", "pet"]), _STATES, max_size=2)
_STEPS = st.lists(
    st.builds(
        Step,
        st.booleans(),
        _CHANGES,
        _CHANGES,
        st.integers(0, 3),
        st.sampled_from(["", "again", "again", "redrive", "router", "sink"]),
        st.integers(0, 9),
    ),
    max_size=12,
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(_STEPS, st.sampled_from([0, 1, 10]), st.sampled_from(["changed", "always"]))
def test_the_newest_message_has_the_last_word_whatever_comes_again_and_whoever_forgets(
    steps: list[Step], users: int, snapshots: str
) -> None:
    world, profile = World(users, snapshots=snapshots), Profile(_TIER)
    aside = says(1, {"tier": "bronze", "pet": "dog"}, changes=BRONZE)
    world.send(says(2, _TIER, removed=["pet"], changes=_TIER))
    for at, step in enumerate(steps, 3):
        if step.sends:
            both = {**step.changes, **step.quietly}
            profile = {name: state for name, state in (profile | both).items() if state is not None}
            removed = [name for name, state in both.items() if state is None]
            changes = {n: state for n, state in step.changes.items() if n not in step.quietly}
            world.send(says(at, profile, removed=removed, changes=changes), step.late_ms)
        match step.then:
            case "again":
                world.send_again(step.number)
            case "redrive":
                world.redrive(aside)
            case "router":
                world.restart_router(step.number)
            case "sink":
                world.restart_sink()
            case _:
                pass
        assert world.profiles.get("7", {}) == profile
