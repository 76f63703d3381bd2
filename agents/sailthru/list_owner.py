"""Settles which worker makes a list: the one that holds the partition of its name."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from aiokafka.structs import ConsumerRecord

from agents.sailthru.list_state import ListBook, ListPolicy
from agents.sailthru.topics import SAILTHRU_LISTS
from models.record import RawPosition, Record
from streams import clocks
from streams.delivery.sink import Feed, LaneKey, Repeat
from streams.engine.partition import Partition
from streams.kafka.log_end import LogEnd
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP


class ListWanted(Record):
    """Asks for a list; it goes through the worker's own lanes and stands on no topic."""

    kind: Literal["list_wanted"] = "list_wanted"
    name: str


class Term:
    """One worker's hold on a partition of the topic, from its takeover on.

    The worker before may have posted in its last moment. So what was wanted by then is left alone
    until such a request is over.
    """

    def __init__(
        self,
        may_send: Callable[[], bool],
        end: int,
        request_s: float,
        clock: Callable[[], float] = clocks.monotonic,
    ) -> None:
        """`end` is where the partition ended at the takeover; `request_s` a request's time-out."""
        self._may_send = may_send
        self._end = end
        self._clock = clock
        self._rested_at = clock() + request_s

    def pause(self, wanted: ConsumerRecord) -> float:
        """For how many seconds a wanted list must still be left alone."""
        return max(0.0, self._rested_at - self._clock()) if wanted.offset < self._end else 0.0

    def may_make(self, wanted: ConsumerRecord) -> bool:
        return self._may_send() and not self.pause(wanted)


class ListOwner:
    """The terms of this worker. Each puts the lists that are wanted into the worker's lanes."""

    def __init__(
        self, kafka: KafkaSettings, book: ListBook, request_s: float, policy: ListPolicy
    ) -> None:
        self._look_s = policy.look_s
        self._kafka = kafka
        self._book = book
        self._request_s = request_s
        self._topic = kafka.topic(SAILTHRU_LISTS.name)
        self._terms: dict[int, Term] = {}
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Has the lists looked at anew: the book has news."""
        self._news.set()

    def begin(self, partition: int, term: Term) -> None:
        """Takes over a partition."""
        self._terms[partition] = term

    def serves(self, partition: int) -> bool:
        """Returns whether lists of that partition's names have been this worker's to make."""
        return partition in self._terms

    def term(self, name: str) -> Term | None:
        """The term in which this worker may make a list now, if it may."""
        wanted = self._book.wanted(name)
        term = self._terms.get(wanted.partition) if wanted else None
        return term if term and wanted and term.may_make(wanted) else None

    async def run(self, feed: Feed) -> None:
        """Works until cancelled."""
        held: set[Partition] = set()
        async with LogEnd(self._kafka, self._topic) as log_end, asyncio.TaskGroup() as tasks:
            while True:
                # Also of what is held: the lists of others do not depend on its records.
                every = (*feed.partitions, *feed.held)
                mine = {each for each in every if self._stands_for_one_of_ours(each)}
                for each in mine - held:
                    repeat = feed.repeat(each, self._topic)
                    tasks.create_task(self._serve(repeat, each.tp.partition, log_end))
                held = mine
                await asyncio.sleep(self._look_s)

    def _stands_for_one_of_ours(self, partition: Partition) -> bool:
        # The list topic is not assigned to anybody, but has as many partitions.
        return self._kafka.bare(partition.tp.topic) == AUDIENCE_MEMBERSHIP.name

    async def _serve(self, repeat: Repeat, partition: int, log_end: LogEnd) -> None:
        end = await log_end.of(partition)
        if repeat.is_gone:
            return
        term = Term(lambda: repeat.may_send, end, self._request_s)
        self.begin(partition, term)
        queued = -1
        while await repeat.wait_for_room():
            wanted = self._book.next_wanted(partition, queued)
            if wanted and not (pause := term.pause(wanted)):
                repeat.queue(_lane(wanted), wanted, _record(wanted))
                queued = wanted.offset
            else:
                await self._wait(min(pause, self._look_s) if wanted else self._look_s)

    async def _wait(self, seconds: float) -> None:
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()


def _name(wanted: ConsumerRecord) -> str:
    return (wanted.key or b"").decode()


def _lane(wanted: ConsumerRecord) -> LaneKey:
    # Not the name alone: an audience's own lane is called by its id.
    return LaneKey("list", ("wanted", _name(wanted)))


def _record(wanted: ConsumerRecord) -> ListWanted:
    position = RawPosition(
        topic=SAILTHRU_LISTS.name, partition=wanted.partition, offset=wanted.offset, index=0
    )
    return ListWanted(
        id=f"list/{wanted.partition}/{wanted.offset}",
        received_at_ms=wanted.timestamp,
        raw=position,
        name=_name(wanted),
    )
