"""P9: what it costs at Sailthru that the router tells of attributes which no event tells of.

Counted by calls and not by time: those of each message alone, so that none is saved by what waits
with it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from faust.types import TP

from agents import registry
from agents.router.routing import Out, route
from agents.router.settings import RouterSettings
from agents.router.snapshots import Snapshots
from models.audience import Audience
from models.record import Record
from sandbox.kafka import Kafka
from sandbox.mparticle import Message, generate
from streams.delivery.sink import LaneKey, placement
from streams.placeholder_settings import with_placeholders
from tests.benchmarks.results import Result, at_most, ratios
from tests.benchmarks.work import AT, Place
from tests.contracts.scenario import explaining, learning

_NOW_MS = 1_767_225_600_000
_MESSAGES = 6_000
# As many messages a user as the demo's.
_USERS = 300
_MOST = at_most(1.1)


async def run(_broker: Kafka, rounds: int) -> list[Result]:
    return measure(rounds)


def measure(rounds: int, messages: int = _MESSAGES, users: int = _USERS) -> list[Result]:
    """One round is one seed of the generator."""
    changed, never = [], []
    for seed in range(rounds):
        crowd = list(generate(seed, users, messages, _NOW_MS))
        changed.append(calls(crowd, RouterSettings(snapshots="changed")))
        never.append(calls(crowd, RouterSettings(snapshots="never")))
    case = "the demo's crowd"
    all_, lossy = [each.all for each in changed], [each.all for each in never]
    needed = [each.all - each.needless for each in changed]
    return [
        ratios("P9", case, "calls with changed / calls that change a profile", all_, needed, _MOST),
        ratios("P9", case, "calls with changed / never", all_, lossy, _MOST),
    ]


class Calls(NamedTuple):
    """Requests to Sailthru, and those of them that told a profile nothing new."""

    all: int
    needless: int


def calls(messages: Sequence[Message], settings: RouterSettings) -> Calls:
    """What Sailthru would get, by one router and one sink."""
    chosen = registry.destinations()["sailthru"]
    sink = chosen.sink(with_placeholders(chosen.settings))
    profiles = defaultdict[str, dict[str, Any]](dict)
    count = needless = 0
    for outs in _routed(messages, settings):
        lanes = defaultdict[LaneKey, list[Record]](list)
        for out in outs:
            if isinstance(out.record, Audience):
                learning(sink).learn(out.record)
            if out.topic in sink.topics:
                placed = sink.place(out.record, placement(out.record, out.key, 0), _NOW_MS)
                if isinstance(placed, LaneKey):
                    lanes[placed].append(out.record)
        for lane, waiting in lanes.items():
            while waiting:
                batch = sink.fold(lane, waiting)
                del waiting[: batch.size]
                count += 1
                needless += not _is_news(explaining(sink).describe(batch.request)["body"], profiles)
    return Calls(count, needless)


def _is_news(body: Mapping[str, Any], profiles: Mapping[str, dict[str, Any]]) -> bool:
    """Whether a call says anything but what a profile has; events and lists always do."""
    if "event" in body or "vars" not in body or body.keys() & {"keys", "lists"}:
        return True
    profile, said = profiles[body["id"]], body["vars"]
    is_known = said.items() <= profile.items()
    profile.update(said)
    return not is_known


def _routed(messages: Sequence[Message], settings: RouterSettings) -> Iterator[Sequence[Out]]:
    known = Snapshots(settings.snapshot_max_users).of(TP(AT.topic, AT.partition))
    for offset, message in enumerate(messages):
        at = Place(AT.topic, AT.partition, offset)
        yield route(message.value, at, _NOW_MS, settings, snapshots=known).outs
