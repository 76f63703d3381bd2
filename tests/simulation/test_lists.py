"""Lists of Sailthru's are made while partitions that were added wait for their turn."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner

from agents.sailthru.errors import UNKNOWN_LIST
from agents.sailthru.list_owner import ListWanted
from agents.sailthru.lists import Lists
from agents.sailthru.topics import SAILTHRU_LISTS
from models.event import Event
from models.record import Record
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import Feed, Prepares, Resends, Then
from streams.outcomes import Delivered, Outcome
from streams.settings import KafkaSettings
from streams.topics import BY_USER
from tests.simulation.evidence import Plan
from tests.simulation.oracle import judge
from tests.simulation.roles import sink_role
from tests.simulation.service import TIMEOUT_S, Request, Service, SimulatedSink
from tests.simulation.story import Story

pytestmark = pytest.mark.usefixtures("told_quietly")

_USER = "100"
_partition_of = DefaultPartitioner()
# It stands in the second of two partitions, which is added.
_NAME = next(
    name
    for name in (f"VIP {number}" for number in range(100))
    if _partition_of(name.encode(), [0, 1], [0, 1]) == 1
)


class _Account:
    """Sailthru's, in place of its client: it has the lists that were made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.is_list_wanted = False

    async def get(self, what: str, args: Mapping[str, Any]) -> Outcome:
        assert what == "list"
        return Delivered() if args["list"] in self.made else UNKNOWN_LIST

    async def post(self, what: str, args: Mapping[str, Any]) -> Outcome:
        assert what == "list"
        self.made.append(args["list"])
        return Delivered()


class _ListSink(SimulatedSink, Prepares, Resends):
    """The simulated one, whose events of one user wait for a list."""

    limits: Mapping[str, int | None] = {**SimulatedSink.limits, "list": None}

    def __init__(self, service: Service, kafka: KafkaSettings, account: _Account) -> None:
        super().__init__(service)
        self._account = account
        self._lists = Lists(kafka, TIMEOUT_S)

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        client: Any = self._account
        async with super().session(pacer), self._lists.session(client):
            yield

    def preparation(self, record: Record) -> asyncio.Future[Any] | None:
        waits = self._account.is_list_wanted and isinstance(record, Event) and record.mpid == _USER
        return self._lists.missing(_NAME) if waits else None

    async def send(self, request: Request) -> Outcome | Then[Request]:
        first = request.records[0]
        if isinstance(first, ListWanted):
            found = await self._lists.look_for(first.name)
            return found or await self._lists.make(first.name) or UNKNOWN_LIST
        return await super().send(request)

    async def resend(self, feed: Feed) -> None:
        await self._lists.run(feed)

    async def on_dead_letter(self, record: Record, partition: int) -> None:
        pass


@pytest.mark.parametrize("wanted_at_s", [0.0, 40.0], ids=["at once", "later"])
def test_a_list_is_made_that_is_first_wanted_while_added_partitions_wait(
    wanted_at_s: float,
) -> None:
    """By the worker of its name's partition, also where that worker has none but those that wait.

    Whoever wants it is before the end of an old partition, so that they wait for the list.
    """
    account = _Account()
    role = sink_role(lambda service, kafka: _ListSink(service, kafka, account))
    plan = Plan(
        sink=role,
        partitions=1,
        users=4,
        seconds=6.0,
        faults=0,
        refused_share=0.0,
    )
    story = Story(1, plan)
    evidence = story.evidence
    evidence.kafka.create(SAILTHRU_LISTS.name, 1, **{"cleanup.policy": "compact"})

    async def grow_while_all_are_away() -> None:
        evidence.service.fails_for = _USER
        async with story.all_stopped():
            await asyncio.sleep(8.0)
            for topic in (*BY_USER, SAILTHRU_LISTS):
                evidence.kafka.create(topic.name, 1)
        await asyncio.sleep(wanted_at_s)
        account.is_list_wanted = True
        evidence.service.fails_for = None

    story.also(grow_while_all_are_away)
    story.run()
    assert judge(evidence) == []
    assert account.made == [_NAME]
