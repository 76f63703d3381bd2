"""Promises 1 and 3 with `kill -9`: nothing is lost, and little is repeated."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from aiokafka import TopicPartition

from cli.demo.compare import differences, repeated_events
from cli.demo.lag import Lag
from cli.demo.publish import publish
from cli.demo.run import READS
from cli.demo.world import WORKERS, World
from sandbox.mparticle import duration_ms, generate
from streams.kafka import clients
from streams.kafka.commit_metadata import decode
from streams.settings import KafkaSettings
from streams.topics import EVENTS
from tests.chaos.oracle.verdict import without_repeats

Sent: TypeAlias = tuple[str, str | None]

MESSAGES = 6_000


@pytest.mark.kafka
@pytest.mark.long
async def test_killing_each_worker_loses_nothing_and_repeats_only_what_was_not_committed(
    tmp_path: Path,
) -> None:
    start_ms = int(time.time() * 1000) - duration_ms(MESSAGES)
    traffic = generate(seed=7, users=300, messages=MESSAGES, start_ms=start_ms)
    # Ten times the published ceilings: slow enough to be killed in the middle.
    async with World(tmp_path, factor=10) as world, Lag.open(world.kafka) as lag:
        for worker in WORKERS:
            world.start(worker)
        await publish(world.kafka, traffic)
        may_repeat: set[Sent] = set()
        for worker, share in (
            ("router", 0.3),
            ("sailthru", 0.2),
            ("ab-tasty", 0.3),
            ("router", 0.7),
            ("sailthru", 0.5),
        ):
            await _reaches(world, lag, worker, share)
            world.kill(worker)
            if worker == "sailthru":
                may_repeat |= await _settled(world) - await _committed_events(world.kafka)
            world.start(worker)
        for worker in WORKERS:
            await _reaches(world, lag, worker, 1.0)
        sailthru, ab_tasty = world.sailthru.state(), world.ab_tasty.state()

    repeated = {sent for sent, count in _events(world).items() if count > 1}
    assert repeated <= may_repeat
    assert differences(traffic.ledger, without_repeats(sailthru), ab_tasty) == []
    assert repeated_events(sailthru) <= len(may_repeat)


async def _reaches(world: World, lag: Lag, worker: str, share: float) -> None:
    """Waits until that share of what is there for a worker has ended, and no longer moves at 1."""
    async with asyncio.timeout(120):
        while True:
            world.check()
            progress = await lag.of(worker, READS[worker])
            enough = progress.there and progress.ended >= share * progress.there
            if enough and (worker == "router" or share < 1 or await _all_routed(lag)):
                return
            await asyncio.sleep(0.05)


async def _all_routed(lag: Lag) -> bool:
    return (await lag.of("router", READS["router"])).done


def _events(world: World) -> Counter[Sent]:
    return Counter(
        _sent(event["event"], event["vars"].get("mp_event_id"))
        for profile in _profiles(world.sailthru.state())
        for event in profile["events"]
    )


async def _settled(world: World) -> set[Sent]:
    """What Sailthru has once it has also worked off what a killed worker had just sent."""
    before = -1
    while (events := _events(world)).total() != before:
        before = events.total()
        await asyncio.sleep(0.2)
    return set(events)


def _sent(name: str, event_id: str | None) -> Sent:
    # Sailthru gets some names with a prefix; the id tells events apart all the same.
    return name.strip().removeprefix("mp_").removeprefix("custom_"), event_id


def _profiles(sailthru: Mapping[str, Any]) -> list[dict[str, Any]]:
    profiles: list[dict[str, Any]] = sailthru["profiles"]
    return profiles


async def _committed_events(kafka: KafkaSettings) -> set[Sent]:
    """What the group's offsets and their metadata say has ended, by the event's own words."""
    topic = kafka.topic(EVENTS.name)
    async with clients.consumer(kafka, group_id=kafka.group("sailthru")) as consumer:
        await consumer._client.add_topic(topic)
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        ends = await consumer.end_offsets(partitions)
        committed = await consumer._coordinator.fetch_committed_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ended: set[Sent] = set()
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                if tp not in committed:
                    continue
                offset, text = committed[tp]
                progress = decode(text, offset, text.split("|")[1])
                assert progress is not None, "the worker's own metadata must be readable"
                for record in records:
                    if record.offset < offset or any(
                        first <= record.offset < end for first, end in progress.ended
                    ):
                        event = orjson.loads(record.value)
                        ended.add(_sent(event["name"], event.get("event_id")))
        return ended
