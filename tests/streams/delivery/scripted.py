"""A destination in this process, whose events' names say what becomes of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from models.audience import Audience
from models.audience_membership import MembershipChanged
from models.event import Event
from models.record import Record
from models.user_update import IdentitiesChanged
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Batch, Feed, LaneKey, Learns, Placement, Resends, Sink
from streams.outcomes import (
    Delivered,
    Dropped,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
)
from streams.topics import EVENTS, USER_UPDATE, Topic

FAILURES = {
    "fails once": 1,
    "fails twice": 2,
    "fails six times": 6,
    "always fails": 10**9,
}
NO_KEY = Misconfigured("bad_key", "Set SCRIPTED_KEY.")
NO_RIGHTS = Misconfigured("no_rights", "Ask for the right to write.")
BLOCKS = {"is blocked": NO_KEY, "lacks rights": NO_RIGHTS}


class Request(NamedTuple):
    lane: LaneKey
    records: tuple[Any, ...]


def fates_of(record: Any) -> list[str]:
    """An event's name, or an update's attribute `fate`; others pass."""
    if isinstance(record, MembershipChanged | IdentitiesChanged):
        return ["passes"]
    said = record.name if isinstance(record, Event) else record.attributes["fate"]
    fates: list[str] = said.split(", ")
    return fates


class ScriptedSink(Sink[Request], Resends, Learns):
    """Takes what passes; the first record in a request that does not pass decides for all of it.

    Fates: "passes", "fails once" (and so on), "always fails", "all wait once", "all wait an hour",
    "is refused", "is blocked", "lacks rights" (both until `mended`), "hangs" (until `released`),
    "breaks the mapping", "breaks the mapping in company", "breaks the placing", "has no place",
    "is refused in company", "is ordinary" (as a dead letter), "is ordinary at the service", "is not
    wanted". Several may be joined by commas.
    """

    destination = "scripted"
    topics: tuple[Topic, ...] = (USER_UPDATE, EVENTS)
    limits: Mapping[str, int | None] = {"call": None, "update": None}
    recalls: Collection[bytes] = ()
    behind = MappingProxyType({"no_place": "SCRIPTED_PLACES", "refused": "SCRIPTED_COLOURS"})

    def __init__(self, most: int, *, one_lane: bool = False) -> None:
        self.most = most
        """Records that one request takes."""
        self.one_lane = one_lane
        """Whether a user's updates and events share a lane."""
        self.requests: list[Request] = []
        self.delivered: list[str] = []
        """Ids, in the order in which they took effect."""
        self.lost: list[str] = []
        """Ids of what became a dead letter after it had waited."""
        self.recalled: list[str] = []
        self.most_at_once: Counter[LaneKey] = Counter()
        self.mended = asyncio.Event()
        self.released = asyncio.Event()
        self.pacer: Pacer | None = None
        """That of the session that is on."""
        self._under_way: Counter[LaneKey] = Counter()
        self._tries: Counter[str] = Counter()

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        self.pacer = pacer
        yield

    def place(self, record: Any, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        match fates_of(record)[0]:
            case "breaks the placing":
                raise KeyError(record.mpid)
            case "has no place":
                return Rejected("no_place", "no place for it")
            case "is ordinary":
                return Rejected("no_key", "nobody", blames="account")
            case "is not wanted":
                return Dropped("not_wanted")
        is_update = not isinstance(record, Event) and not self.one_lane
        return LaneKey("update" if is_update else "call", at.user)

    def fold(self, lane: LaneKey, waiting: Sequence[Any]) -> Batch[Request]:
        records = tuple(waiting[: self.most])
        if any("breaks the mapping" in fates_of(record) for record in records):
            raise ZeroDivisionError
        if len(records) > 1 and "breaks the mapping in company" in fates_of(records[-1]):
            raise ZeroDivisionError
        return Batch(Request(lane, records), len(records))

    async def send(self, request: Request) -> Outcome:
        self.requests.append(request)
        self._under_way[request.lane] += 1
        self.most_at_once |= self._under_way
        try:
            await asyncio.sleep(0)
            size = len(request.records)
            for record in request.records:
                for fate in fates_of(record):
                    if (outcome := await self._meet(fate, record.id, size)) is not None:
                        return outcome
            self.delivered += [record.id for record in request.records]
            return Delivered()
        finally:
            self._under_way[request.lane] -= 1

    async def _meet(self, fate: str, id_: str, size: int) -> Outcome | None:
        """None when it passes."""
        self._tries[id_] += 1
        if fate == "hangs":
            await self.released.wait()
        if self._tries[id_] <= FAILURES.get(fate, 0):
            return RetryRecord("server_error")
        if fate == "all wait once" and self._tries[id_] == 1:
            return Throttled("limited", 0.001)
        if fate == "all wait an hour":
            return Throttled("limited", 3_600.0)
        if fate in BLOCKS and not self.mended.is_set():
            return BLOCKS[fate]
        if fate == "is ordinary at the service":
            return Rejected("opted_out", blames="account")
        is_refused = fate == "is refused" or (fate == "is refused in company" and size > 1)
        return Rejected("refused", "field 'colour'") if is_refused else None

    async def on_dead_letter(self, record: Record, partition: int) -> None:
        self.lost.append(record.id)

    async def resend(self, feed: Feed) -> None:
        pass

    def learn(self, audience: Audience) -> None:
        raise NotImplementedError

    def recall(self, record: Record, at: Placement) -> None:
        self.recalled.append(record.id)
