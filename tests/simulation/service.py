"""A destination beyond the network, and the sink that sends to it.

The service keeps what took effect, when, and who sent it: what the oracles judge.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from models.event import Event
from models.record import Record
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Batch, LaneKey, Placement, Sink, Then
from streams.fencing import FencedError
from streams.outcomes import Delivered, Dropped, Outcome, Rejected, RetryRecord
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE, Topic
from tests.simulation.loop import HOST, Host, SimulatedLoop

REFUSED = "refused"
"""The name of an event, or an attribute of an update, that the service never takes."""
REFUSES = Rejected(REFUSED)
SAID = "n"
"""The attribute by which updates are told apart: its value is the id of the last."""
_MOST_RECORDS = 20
TIMEOUT_S = 3.0


class Effect(NamedTuple):
    """One record that took effect, once; and what the user is since, where it says so."""

    at_s: float
    process: str
    user: str
    endpoint: str
    id: str
    said: str | None


class Request(NamedTuple):
    lane: LaneKey
    records: tuple[Any, ...]
    is_look: bool = False
    """Whether it only looks for what they are about, which some events need first."""


class Service:
    """Takes requests; fails some of them, before or after they took effect, by its seed."""

    def __init__(self, loop: SimulatedLoop, rng: Random, is_member: Callable[[str], bool]) -> None:
        """`is_member` says of a process whether Kafka takes it for a member of the sink's group."""
        self._is_member = is_member
        self._loop = loop
        self._rng = rng
        self.effects: list[Effect] = []
        # What is written raw has its id from the router: place in the raw log -> what we call it.
        self.names: dict[tuple[int, int], str] = {}
        # Update -> what it makes of its user; most say their own id.
        self.says: dict[str, str] = {}
        self.refusal: Outcome = REFUSES
        """How it answers what it never takes."""
        self.fails, self.loses_answers = 0.0, 0.0
        self.is_down = self.looks_are_down = self.crawls = False
        self.requests = 0
        self.fails_for: str | None = None
        """The one user whose requests fail."""
        self.sent_by_strangers: list[str] = []

    def latency(self) -> float:
        if self.crawls:
            return self._rng.uniform(0.5, 0.45 * TIMEOUT_S)
        return (
            self._rng.uniform(0.005, 0.2)
            if self._rng.random() < 0.95
            else self._rng.uniform(0.2, 1.2)
        )

    async def call(self, request: Request) -> Outcome:
        """Runs with the sender; what happens at the service happens in the world."""
        process = HOST.get().process
        if not self._is_member(process):
            self.sent_by_strangers.append(
                f"{process} sent of {request.records[0].mpid} at {self._loop.now_s:.3f} s, "
                "and was no member of the group"
            )
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        # A request that has left arrives, whatever becomes of who sent it.
        self._loop.on_host(Host("service"), self._arrive(request, process, answer))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await answer
        except TimeoutError:
            return RetryRecord("timeout")

    async def _arrive(
        self, request: Request, process: str, answer: "asyncio.Future[Outcome]"
    ) -> None:
        await asyncio.sleep(self.latency())
        self.requests += 1
        outcome = self._take(request, process)
        if self._rng.random() < self.loses_answers:
            return
        await asyncio.sleep(self.latency())
        if not answer.done():
            answer.set_result(outcome)

    def _take(self, request: Request, process: str) -> Outcome:
        fails = any(record.mpid == self.fails_for for record in request.records)
        is_down = self.is_down or (self.looks_are_down and request.is_look)
        if is_down or fails or self._rng.random() < self.fails:
            return RetryRecord("server_error")
        if request.is_look:
            return Delivered()
        if any(is_refused(record) for record in request.records):
            return self.refusal
        for record in request.records:
            self.effects.append(
                Effect(
                    self._loop.now_s,
                    process,
                    record.mpid or "",
                    request.lane.endpoint,
                    self._name(record),
                    getattr(record, "attributes", {}).get(SAID),
                )
            )
        return Delivered()

    def _name(self, record: Record) -> str:
        name = self.names.get((record.raw.partition, record.raw.offset), record.id)
        said = getattr(record, "attributes", {}).get(SAID)
        # Any message says what its user is, and a router that does not remember it tells it.
        is_its_own = said in {None, self.says.get(name, name)}
        return name if is_its_own else f"{name} says {said}"


def is_refused(record: Any) -> bool:
    return REFUSED in (
        record.name if isinstance(record, Event) else getattr(record, "attributes", {})
    )


def needs_look(record: Record) -> bool:
    """One event in four does, whoever sends it."""
    return isinstance(record, Event) and crc32(record.id.encode()) % 4 == 0


class SimulatedSink(Sink[Request]):
    """Updates fold, memberships apart from them; events go one by one, some in two requests."""

    destination = "simulated"
    topics: tuple[Topic, ...] = (USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP)
    limits: Mapping[str, int | None] = {"user": None, "event": None, "look": None}

    def __init__(self, service: Service) -> None:
        self._service = service

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        self._pacer = pacer
        yield

    def place(self, record: Any, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        del now_ms
        return LaneKey("event" if isinstance(record, Event) else "user", at.user)

    def fold(self, lane: LaneKey, waiting: Sequence[Any]) -> Batch[Request]:
        records = tuple(waiting[: 1 if lane.endpoint == "event" else _MOST_RECORDS])
        if needs_look(records[0]):
            return Batch(Request(lane, records, is_look=True), 1, "look")
        return Batch(Request(lane, records), len(records))

    async def send(self, request: Request) -> Outcome | Then[Request]:
        # A connection takes its time, and the last question comes after it.
        await asyncio.sleep(0.001)
        if not self._pacer.may_send():
            raise FencedError
        outcome = await self._service.call(request)
        if request.is_look and isinstance(outcome, Delivered):
            return Then(request._replace(is_look=False), request.lane.endpoint)
        return outcome
