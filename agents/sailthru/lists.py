"""Has a list made once, before anyone is posted to it.

Sailthru makes an unknown list itself when a user joins it, and as many of one name as there are
requests at that moment (grouparoo/grouparoo, pull request 56).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog
from aiokafka.structs import ConsumerRecord

from agents.sailthru.calls import ListCall
from agents.sailthru.client import Client
from agents.sailthru.errors import UNKNOWN_EFFECT, UNKNOWN_LIST
from agents.sailthru.list_owner import ListOwner, Term
from agents.sailthru.list_state import REFUSED_SECONDS, ListBook, ListPolicy
from agents.sailthru.refused_lists import RefusedLists
from agents.sailthru.topics import SAILTHRU_LISTS
from models.list_state import ListState
from streams import clocks
from streams.delivery.sink import Feed
from streams.kafka.tables import Table
from streams.outcomes import Delivered, Outcome, Rejected, RetryRecord, Transient
from streams.settings import KafkaSettings

log = structlog.get_logger()

_NOT_OURS = RetryRecord("list_not_ours")
_FOR_EVER = Term(lambda: True, end=0, request_s=0.0)
_GIVEN_UP = Rejected("retries_exhausted", "the list could not be made")
_REFUSED = (
    "Who is to be on this list becomes a dead letter. Rename its audience in mParticle, see "
    "SAILTHRU_LIST_NAME_TEMPLATE, or leave the audience out by SAILTHRU_AUDIENCES_DENY; it is "
    f"tried again when somebody is to join after {REFUSED_SECONDS / 60:.0f} minutes. Then redrive."
)


class Lists:
    """Knows the lists that are there, from a compacted topic that all workers follow.

    Who needs a list that is not there writes that it is wanted; its owner makes it and writes that
    it is ready, or why Sailthru refuses it. Without Kafka this process makes all lists itself.
    """

    def __init__(
        self,
        kafka: KafkaSettings | None,
        request_s: float,
        clock: Callable[[], float] = clocks.wall,
        policy: ListPolicy = ListPolicy(),
    ) -> None:
        """`request_s` is the time-out of a request."""
        self._kafka = kafka
        self._request_s = request_s
        self._book = ListBook(clock, policy)
        self._owner = ListOwner(kafka, self._book, request_s, policy) if kafka else None
        self._refused = RefusedLists()
        self._topic: Table | None = None
        self._opened = asyncio.Event()
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._under_way: dict[str, asyncio.Task[Outcome | None]] = {}
        # Lists that were not there when they were looked for, and in which term that was.
        self._lacking: dict[str, Term] = {}

    @asynccontextmanager
    async def session(self, client: Client) -> AsyncIterator[None]:
        """Knows all that was known before when it is entered."""
        self._client = client
        try:
            if self._kafka is None:
                yield
                return
            async with (
                Table.open(self._kafka, SAILTHRU_LISTS, self._tell) as self._topic,
                asyncio.TaskGroup() as self._asking,
            ):
                self._opened.set()
                yield
        finally:
            await self._stop()

    async def _stop(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, feed: Feed) -> None:
        """Makes the lists that are this worker's to make; until cancelled."""
        if self._owner is not None:
            await self._opened.wait()
            await self._owner.run(feed)

    def missing(self, name: str) -> asyncio.Future[None] | None:
        """Has a list made; done when it is there or refused, None when it is so already."""
        if self._topic is None or self._book.outcome(name):
            return None
        if name not in self._awaited:
            self._awaited[name] = asyncio.get_running_loop().create_future()
            if not self._book.wanted(name):
                self._asking.create_task(self._write(name, ListState(state="wanted")))
        return self._awaited[name]

    def serves(self, partition: int) -> bool:
        """Returns whether this worker is to make the lists of that partition of the topic."""
        return self._owner is None or self._owner.serves(partition)

    def has(self, name: str | None) -> bool:
        """Returns whether a list is known to be there."""
        return name is not None and isinstance(self._book.outcome(name), Delivered)

    def known_for_member(self, name: str) -> Delivered | Rejected | None:
        """Delivered when a list is there, Rejected when it cannot be; None when it is not known."""
        match known := self._book.outcome(name):
            case Delivered():
                self._refused.passed(name)
            case Rejected():
                return self._refused.refuse(name, known)
        return known

    async def look_for(self, name: str) -> Outcome | None:
        """Returns how a list stands; None when it is not there and this worker's to make."""
        if known := self._book.outcome(name):
            return known
        if self._term(name) is None:
            return _NOT_OURS
        return await self._once(name, self._look)

    async def make(self, name: str) -> Outcome | None:
        """Makes a list that was looked for in vain; None when it must be looked for again."""
        return self._book.outcome(name) or await self._once(name, self._post)

    async def _once(
        self, name: str, ask: Callable[[ListCall], Coroutine[Any, Any, Outcome | None]]
    ) -> Outcome | None:
        """Has one request about a name under way, for all who ask meanwhile."""
        if (task := self._under_way.get(name)) is None:
            task = self._under_way[name] = asyncio.create_task(ask(ListCall(name)))
            task.add_done_callback(lambda _: self._under_way.pop(name))
        # One who gives up must not take it from the others.
        return await asyncio.shield(task)

    async def _look(self, call: ListCall) -> Outcome | None:
        term = self._term(call.name)
        outcome = await self._client.get("list", call.lookup())
        if outcome != UNKNOWN_LIST:
            return await self._tell_all(call.name, outcome)
        if term is not None:
            self._lacking[call.name] = term
        return None

    async def _post(self, call: ListCall) -> Outcome | None:
        term = self._lacking.pop(call.name, None)
        if term is None or self._term(call.name) is not term:
            return None  # somebody else may have posted it since we looked
        outcome = await self._client.post("list", call.payload())
        if outcome in UNKNOWN_EFFECT and isinstance(outcome, Transient):
            # The list may still come to be, which nobody is to look at before.
            outcome = replace(outcome, after=self._request_s)
        return await self._tell_all(call.name, outcome)

    async def _tell_all(self, name: str, outcome: Outcome) -> Outcome:
        match outcome:
            case Delivered():
                await self._write(name, ListState(state="ready"))
            case Rejected():
                await self._refuse(name, outcome)
        return outcome

    def _term(self, name: str) -> Term | None:
        return self._owner.term(name) if self._owner else _FOR_EVER

    def forget(self, names: Iterable[str]) -> None:
        """Has them looked for again the next time."""
        for name in names:
            self._book.forget(name)

    async def give_up(self, name: str) -> None:
        """Tells those who wait that a list could not be made."""
        if self._book.outcome(name) is None:
            await self._refuse(name, _GIVEN_UP)

    async def _refuse(self, name: str, why: Rejected) -> None:
        log.error(
            "list_refused", name=name, reason=why.reason, detail=why.detail, what_to_do=_REFUSED
        )
        detail = f"its list: {why.detail}"
        await self._write(name, ListState(state="refused", reason=why.reason, detail=detail))

    async def _write(self, name: str, state: ListState) -> None:
        if self._topic is not None:
            await self._topic.write(name.encode(), state.model_dump_json().encode())
        elif state.state == "ready":
            self._book.mark_made(name)

    def _tell(self, record: ConsumerRecord) -> None:
        name = self._book.tell(record)
        if name is not None and self._book.outcome(name) and name in self._awaited:
            self._awaited.pop(name).set_result(None)
        if self._owner is not None:
            self._owner.wake()
