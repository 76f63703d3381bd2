"""Writes that Kafka does not take are named, with what to look at."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.kafka import Kafka
from streams.kafka import clients
from streams.kafka.metadata import paced
from streams.kafka.patient_producer import partition_count, patient
from streams.kafka.pending_writes import PendingWrites
from streams.topics import EVENTS
from tests.streams.cluster import configure, create, settings
from tests.streams.leaders import Cluster


class Producer:
    """Takes what it is given, and acknowledges when a test says so."""

    def __init__(self, leaders: Mapping[int, int | None]) -> None:
        self.client = Cluster(leaders)
        self.given: list[asyncio.Future[None]] = []

    async def send(self, _topic: str, _value: bytes, **_: Any) -> asyncio.Future[None]:
        self.given.append(asyncio.get_running_loop().create_future())
        return self.given[-1]

    async def send_batch(self, _batch: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        if partition not in self.client.leaders:
            raise AssertionError("no such partition")
        return await Producer.send(self, topic, b"")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writes(clock: Clock) -> PendingWrites:
    return PendingWrites(clock)


async def given(writes: PendingWrites, leaders: Mapping[int, int | None]) -> Any:
    producer: Any = Producer(leaders)
    writes.follow(producer)
    await producer.send_batch(object(), "events", partition=0)
    return producer


async def test_a_write_is_named_once_it_waits_for_too_long_and_until_it_ends(
    writes: PendingWrites, clock: Clock
) -> None:
    producer = await given(writes, {0: 2})
    assert not writes.said
    clock.now += 5
    assert "events-0 for 5 s: broker 2 leads it" in str(writes.said)
    producer.given[0].set_result(None)
    await asyncio.sleep(0)
    assert writes.said is None


@pytest.mark.parametrize(
    ("leaders", "why"),
    [
        ({0: None}, "it has no leader"),
        ({0: -1}, "it has no leader"),
        ({0: 1}, "min.insync.replicas"),
        ({}, "there is no such topic"),
        ({1: 1}, "it has 1 partitions; give it as many as the topics beside it"),
    ],
)
async def test_a_write_that_waits_says_what_to_look_at(
    writes: PendingWrites, clock: Clock, leaders: Mapping[int, int | None], why: str
) -> None:
    writes.begin("events", 0, Cluster(leaders))
    clock.now += 7
    assert writes.said is not None
    assert why in writes.said


async def test_each_partition_is_named_once_and_what_waits_for_less_is_not(
    writes: PendingWrites, clock: Clock
) -> None:
    producer = await given(writes, {0: 1, 1: 1})
    await producer.send_batch(object(), "events", partition=0)
    clock.now += 6
    await producer.send("lists", b"")
    assert writes.said is not None
    assert writes.said.count("Kafka has taken nothing") == 1


async def test_a_write_that_cannot_be_given_is_not_waited_for(
    writes: PendingWrites, clock: Clock
) -> None:
    producer = await given(writes, {0: 1})
    producer.given[0].set_exception(ValueError())
    await asyncio.sleep(0)
    with pytest.raises(AssertionError):
        await producer.send_batch(object(), "events", partition=7)
    clock.now += 60
    assert writes.said is None


async def test_a_client_that_asks_again_and_again_pauses_between_its_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    class Client:
        asked = 0

        async def _metadata_update(self, _cluster: Any, _topics: Any) -> bool:
            self.asked += 1
            return True

    monkeypatch.setattr("streams.kafka.metadata.asyncio.sleep", noted)
    client: Any = Client()
    paced(client)
    assert [await client._metadata_update(None, ()) for _ in range(3)] == [True] * 3
    assert client.asked == 3
    assert pauses[0] == 0.0
    assert all(0.1 < each <= 0.25 for each in pauses[1:])


@pytest.mark.kafka
async def test_too_few_replicas_in_sync_are_named(kafka: Kafka, prefix: str) -> None:
    pending = PendingWrites(late_after_s=0.0)
    to = settings(kafka, prefix)
    await create(to, [EVENTS])
    await configure(to, EVENTS, {"min.insync.replicas": "2"})
    async with clients.producer(to) as producer:
        patient(producer, pending)
        written = await producer.send(to.topic(EVENTS.name), b"{}", partition=1)
        assert f"{to.topic(EVENTS.name)}-1 for 0 s: broker" in str(pending.said)
        await configure(to, EVENTS, {"min.insync.replicas": "1"})
        await written
    assert pending.said is None


@pytest.mark.kafka
async def test_a_partition_that_is_not_there_yet_is_waited_for_and_named(
    kafka: Kafka, prefix: str
) -> None:
    """Somebody gives topics that belong together more partitions, one after the other."""
    pending = PendingWrites(late_after_s=0.0)
    to = settings(kafka, prefix)
    await create(to, [EVENTS])
    async with clients.producer(to) as producer:
        counting = asyncio.create_task(
            partition_count(producer, to.topic(EVENTS.name), 3, pending=pending)
        )
        async with asyncio.timeout(60):
            while pending.said is None:  # noqa: ASYNC110 - a sentence has no event
                await asyncio.sleep(0.01)
        assert f"{to.topic(EVENTS.name)}-2" in pending.said
        assert "it has 2 partitions" in pending.said
        counting.cancel()
        await asyncio.wait({counting})
    assert pending.said is None
