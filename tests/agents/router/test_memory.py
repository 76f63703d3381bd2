"""What a router may believe of what it remembers: what it wrote, while nobody else writes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from agents.router.processor import Router
from agents.router.settings import RouterSettings
from streams import headers
from streams.dead_letters.writer import FloodGuard
from streams.delivery.ordering.staleness import Staleness
from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.batch_writer import Outgoing
from streams.kafka.commit_metadata import Progress, Sight
from streams.settings import KafkaSettings
from streams.topics import RAW, USER_UPDATE
from tests.agents.router.routing import limits
from tests.streams.delivery.flow import Letters
from tests.streams.records import RECEIVED_AT_MS, fetch, source

MESSAGE = orjson.dumps({"mpid": 7, "user_attributes": {"tier": "gold"}, "events": []})


class Kafka:
    """Takes what the router writes, when `answers` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.updates: list[Any] = []
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        monkeypatch.setattr("agents.router.processor.batch_writer.write", self._write)
        monkeypatch.setattr("agents.router.processor.batch_writer.common_counts", self._count)

    async def _count(self, _: AIOKafkaProducer, topics: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(topics, 1)

    async def _write(
        self,
        _: AIOKafkaProducer,
        records: Sequence[Outgoing],
        _most: Mapping[str, int],
        _counts: Mapping[str, int],
    ) -> None:
        self.asked.set()
        await self.answers.wait()
        self.updates += [each for each in records if each.topic == USER_UPDATE.name]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return Kafka(monkeypatch)


def assigned(offset: int = 0, epoch: int = 0, number: int = 0) -> Partition:
    """A partition of a topic of which the group has begun one."""
    start = Progress(offset, (), epoch, Sight(begun=1))
    return Partition(TP(RAW.name, number), start, InFlightLimit(), lambda _: None)


@asynccontextmanager
async def running() -> AsyncIterator[Router]:
    nobody = cast("AIOKafkaProducer", None)
    router = Router(RouterSettings(), KafkaSettings(), nobody, Letters(), FloodGuard(1.0), limits())
    run = asyncio.create_task(router.run())
    yield router
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run


async def has_routed(
    router: Router,
    partition: Partition,
    message: bytes = MESSAGE,
    taken_at_ms: int = RECEIVED_AT_MS,
) -> None:
    record = source(message, partition.offsets.position, topic=RAW.name)
    await router.accept(fetch(partition, [replace(record, timestamp=taken_at_ms)]))
    async with asyncio.timeout(60):
        while partition.offsets.waiting:  # noqa: ASYNC110 - offsets have no event
            await asyncio.sleep(0)


async def leaves(router: Router, partition: Partition) -> None:
    partition.closed = True
    await router.revoked([partition], 0.0)


@pytest.mark.parametrize(
    ("offset", "epoch", "updates"),
    [(1, 0, 1), (2, 0, 2), (1, 1, 2)],
    ids=["here", "elsewhere", "moved"],
)
async def test_partition_that_comes_back_is_known_only_where_nobody_went_on_with_it(
    kafka: Kafka, offset: int, epoch: int, updates: int
) -> None:
    async with running() as router:
        first = assigned()
        await router.assigned([first])
        await has_routed(router, first)
        await leaves(router, first)
        again = assigned(offset, epoch)
        await router.assigned([again])
        await has_routed(router, again)
    assert len(kafka.updates) == updates


async def test_partition_that_another_had_meanwhile_is_not_known_the_time_after(
    kafka: Kafka,
) -> None:
    async with running() as router:
        for offset in (0, 5, 1):
            partition = assigned(offset)
            await router.assigned([partition])
            await has_routed(router, partition)
            await leaves(router, partition)
    assert len(kafka.updates) == 3


async def test_what_a_closed_partition_did_not_write_is_not_believed(kafka: Kafka) -> None:
    async with running() as router:
        first = assigned()
        await router.assigned([first])
        kafka.answers.clear()
        await router.accept(fetch(first, [source(MESSAGE, 0, topic=RAW.name)]))
        await kafka.asked.wait()
        await leaves(router, first)
        kafka.answers.set()
        again = assigned(0)
        await router.assigned([again])
        await has_routed(router, again)
    assert len(kafka.updates) == 1


def says(tier: str, event_id: int, *, changes: bool) -> bytes:
    """A message whose user has that tier; `changes` says so by an event too."""
    changed = {"event_id": event_id, "user_attribute_name": "tier", "new": tier}
    event: dict[str, Any] = {"event_type": "session_start", "data": {"event_id": event_id}}
    if changes:
        event = {"event_type": "user_attribute_change", "data": changed}
    return orjson.dumps({"mpid": 7, "user_attributes": {"tier": tier}, "events": [event]})


def at_the_sink(written: Sequence[Outgoing]) -> list[str]:
    """The tiers that a sink sends, of all that routers wrote, in their order."""
    seen: set[bytes] = set()
    staleness, sent, here = Staleness(100), [], TP(USER_UPDATE.name, 0)
    for offset, each in enumerate(written):
        marks = headers.read(each.headers)
        assert marks.identity is not None
        if marks.identity in seen:
            continue
        seen.add(marks.identity)
        if not staleness.updates.is_overtaken(here, "7", marks, offset):
            sent.append(orjson.loads(each.value)["attributes"]["tier"])
    return sent


@pytest.mark.parametrize("committed", range(5))
async def test_a_router_that_was_killed_and_forgot_what_it_knew_overwrites_nothing_newer(
    kafka: Kafka, committed: int
) -> None:
    messages = [
        says("gold", 1, changes=True),
        says("gold", 2, changes=False),
        says("gold", 3, changes=False),
        says("silver", 4, changes=True),
    ]
    for start in (0, committed):
        async with running() as router:
            partition = assigned(start)
            await router.assigned([partition])
            for message in messages[start:]:
                await has_routed(router, partition, message)

    assert at_the_sink(kafka.updates) == ["gold", "silver"]


@pytest.mark.parametrize("number", [0, 1], ids=["of the beginning", "added"])
@pytest.mark.parametrize("offset", [0, 7], ids=["from the first", "later"])
async def test_what_was_sent_before_the_memory_began_is_not_believed(
    kafka: Kafka, offset: int, number: int
) -> None:
    sent_long_ago = orjson.loads(MESSAGE) | {"timestamp_unixtime_ms": 1_600_000_000_000}
    async with running() as router:
        partition = assigned(offset, number=number)
        await router.assigned([partition])
        for message_id in ("a", "b"):
            message = orjson.dumps(sent_long_ago | {"message_id": message_id})
            await has_routed(router, partition, message)
    assert len(kafka.updates) == 2
    assert not any(said_for_sure(kafka.updates))


async def test_what_is_sent_once_a_topic_is_read_is_believed_from_its_first_message_on(
    kafka: Kafka,
) -> None:
    sent_now = orjson.loads(MESSAGE) | {"timestamp_unixtime_ms": RECEIVED_AT_MS}
    async with running() as router:
        partition = assigned(0)
        await router.assigned([partition])
        for message_id in ("a", "b"):
            await has_routed(router, partition, orjson.dumps(sent_now | {"message_id": message_id}))
    assert said_for_sure(kafka.updates) == [True]


async def test_a_raw_message_to_which_kafka_gave_no_time_counts_as_taken_when_it_is_read(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = RECEIVED_AT_MS + 5_000
    monkeypatch.setattr("streams.clocks.wall_ms", lambda: now_ms)
    sent = orjson.loads(MESSAGE) | {"timestamp_unixtime_ms": RECEIVED_AT_MS}
    async with running() as router:
        partition = assigned(0)
        await router.assigned([partition])
        await has_routed(router, partition, orjson.dumps(sent), taken_at_ms=-1)
    [update] = kafka.updates
    told = orjson.loads(update.value)
    assert told["received_at_ms"] == now_ms
    assert told["occurred_at_ms"] == RECEIVED_AT_MS
    assert "judged_at_ms" not in told


def said_for_sure(updates: Sequence[Outgoing]) -> list[bool]:
    sent = [headers.read(each.headers).sent for each in updates]
    return [each is not None and each.is_sure for each in sent]
