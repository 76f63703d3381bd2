"""The topic, the service and workers that meet over one list, without a network: a test's clock."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.structs import ConsumerRecord

from agents.sailthru.client import Client
from agents.sailthru.errors import UNKNOWN_LIST
from agents.sailthru.list_owner import Term
from agents.sailthru.lists import Lists
from models.list_state import ListState
from streams.http import CONNECTION_LOST, TIMED_OUT
from streams.outcomes import Delivered, Outcome, Transient
from streams.settings import KafkaSettings
from tests.streams.records import source

NAME = "Lapsed buyers"
REQUEST_S = 10.0
WANTED = ListState(state="wanted")


@dataclass(eq=False)
class Call:
    """A request: under way at the service until `ended`, and at the client until `answer`."""

    method: str
    until: float
    answer: asyncio.Future[Outcome] = field(default_factory=asyncio.Future)
    ended: bool = False


@dataclass
class World:
    """The topic, the service, and who holds the one partition."""

    now: float = 0.0
    log: list[ConsumerRecord] = field(default_factory=list)
    there: bool = False
    most_posts: int = 0
    calls: list[Call] = field(default_factory=list)
    owner: "Worker | None" = None

    def write(self, state: ListState) -> None:
        value = state.model_dump_json().encode()
        self.log.append(source(value, len(self.log), key=NAME.encode()))

    def begin(self, method: str) -> Call:
        call = Call(method, self.now + REQUEST_S)
        self.calls.append(call)
        self.most_posts = max(self.most_posts, len(self.posts()))
        return call

    def posts(self) -> list[Call]:
        return [call for call in self.calls if call.method == "POST" and not call.ended]

    def end(self, call: Call) -> None:
        """The service has done what it was asked."""
        self.there |= call.method == "POST"
        call.ended = True

    async def pass_by(self, seconds: float) -> None:
        """No request lasts longer than its time-out, neither at the service nor at the client."""
        self.now += seconds
        for call in self.calls:
            if call.until <= self.now and not call.ended:
                self.end(call)
            if call.until <= self.now and not call.answer.done():
                call.answer.set_result(TIMED_OUT)
        await turns()


class Slow(Client):
    """Its answers come when the test says so."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, endpoint: str, arguments: Mapping[str, Any]) -> Outcome:
        return await self._world.begin("GET").answer

    async def post(self, endpoint: str, arguments: Mapping[str, Any]) -> Outcome:
        return await self._world.begin("POST").answer


class Worker(Lists):
    """One worker's part, with the topic in memory."""

    def __init__(self, world: World) -> None:
        super().__init__(KafkaSettings(), REQUEST_S, lambda: world.now)
        self.world = world
        self.member = True
        self.task: asyncio.Task[Outcome | None] | None = None
        self._is_looked_for = False
        self.not_before = 0.0
        self.hold: object = None
        self._read = 0
        self._client: Client = Slow(world)

    async def _write(self, name: str, state: ListState) -> None:
        self.world.write(state)

    def take_over(self) -> None:
        assert self._owner
        self.member, self.hold = True, (mine := object())
        may_send, end = (lambda: self.member and self.hold is mine), len(self.world.log)
        self._owner.begin(0, Term(may_send, end, REQUEST_S, lambda: self.world.now))

    def hear(self, most: int) -> None:
        for record in self.world.log[self._read : self._read + most]:
            self._read += 1
            self._tell(record)

    def need(self) -> None:
        if not self.world.there:
            self.forget([NAME])  # as the answer to a user's call says
        if self._book.outcome(NAME) is None and self._book.wanted(NAME) is None:
            self.world.write(WANTED)

    def turn(self) -> None:
        """As the lane gives it: one request at a time, and not before it is due."""
        if self.task is not None and self.task.done():
            outcome, self.task = self.task.result(), None
            self._is_looked_for = outcome is None and not self._is_looked_for
            if isinstance(outcome, Transient):
                self.not_before = self.world.now + (outcome.after or 0.0)
        if self.task is None and self.world.now >= self.not_before:
            ask = self.make if self._is_looked_for else self.look_for
            self.task = asyncio.create_task(ask(NAME))

    async def die(self) -> None:
        self.member = False
        if self.task is not None:
            self.task.cancel()
        await self._stop()
        await asyncio.gather(*([self.task] if self.task else []), return_exceptions=True)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def hand_over(world: World, workers: list[Worker], number: int, how: str) -> None:
    """The one before is told so, only knows that it is not sure any more, or is gone."""
    before = world.owner
    if before is not None:
        match how:
            case "told":
                before.hold = None
            case "frozen":
                before.member = False
            case "dead":
                await before.die()
                workers[workers.index(before)] = Worker(world)
    world.owner = workers[number]
    world.owner.take_over()


def answer(world: World, call: Call, how: str) -> None:
    """Done is done without an answer; whose answer is lost may go on at the service."""
    if how != "lost":
        world.end(call)
    if how == "lost" and not call.answer.done():
        call.answer.set_result(CONNECTION_LOST)
    if how == "heard" and not call.answer.done():
        call.answer.set_result(Delivered() if world.there else UNKNOWN_LIST)
