"""The router's processor, given hostile messages: each ends, in time and memory, as it may."""

import asyncio
import contextlib
import gc
import time
import tracemalloc
from collections.abc import Sequence
from random import Random
from typing import Any, cast

from aiokafka import AIOKafkaProducer

from agents.router.processor import Router
from agents.router.settings import RouterSettings
from streams import metrics
from streams.dead_letters.writer import DeadLetters, FloodGuard
from streams.kafka.record_limits import RecordLimits
from streams.settings import KafkaSettings
from streams.topics import ALL, DEAD_LETTERS, MAX_MESSAGE_BYTES, RAW
from tests.fuzz import budget
from tests.fuzz.hostile import PERSONAL, Hostile, hostile
from tests.fuzz.sinkhole import Sinkhole
from tests.streams.records import fetch, new_partition, source

_LIMITS = (MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES, 1_048_588, 50_000, 3_000)
# How much of its time a message may keep the event loop from turning.
_LONGEST_TURN = 0.5
_GIVE_UP_SECONDS = 300.0
_TRIES = 3
# Memory is measured of so many; it makes everything five times slower.
_MEASURED = 1 / 12


async def attack(number: int) -> tuple[int, list[str]]:
    """Bytes sent, and what was wrong."""
    random = Random(number)
    limits = {topic.name: random.choice(_LIMITS) for topic in ALL}
    limits[RAW.name] = MAX_MESSAGE_BYTES
    messages = [hostile(random) for _ in range(random.choice((1, 1, 2, 5)))]
    size = sum(len(each.value) for each in messages)
    is_measured = random.random() < _MEASURED
    wrong = await _attack(messages, limits, is_measured=is_measured, number=number)
    for _ in range(_TRIES):
        if not any(each.startswith("slow") for each in wrong):
            break
        # Once more: another process may have had the caches.
        gc.collect()
        wrong = await _attack(messages, limits, is_measured=False, number=number)
    return size, wrong


async def _attack(
    messages: Sequence[Hostile], limits: dict[str, int], *, is_measured: bool, number: int
) -> list[str]:
    sinkhole = Sinkhole(limits)
    router = new_router(sinkhole, limits)
    partition = new_partition(topic=RAW.name)
    sources = [
        source(each.value, offset, topic=RAW.name, key=f"{number}".encode())
        for offset, each in enumerate(messages)
    ]
    run = asyncio.create_task(router.run())
    if is_measured:
        tracemalloc.start()
    began, longest = time.process_time(), 0.0
    try:
        await router.assigned([partition])
        await router.accept(fetch(partition, sources))
        turned = began
        while partition.offsets.waiting and not run.done():
            await asyncio.sleep(0.001)
            now = time.process_time()
            longest, turned = max(longest, now - turned), now
            if now - began > _GIVE_UP_SECONDS:
                return [f"slow: {messages[0].value[:80]!r} does not end"]
        spent = time.process_time() - began
        memory = tracemalloc.get_traced_memory()[1] if is_measured else 0
    finally:
        tracemalloc.stop()
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
    return (
        sinkhole.wrong
        + _too_much(messages, spent, longest, memory, is_measured=is_measured)
        + ([] if partition.accounted == len(messages) else [f"accounted for {partition.accounted}"])
    )


def new_router(sinkhole: Sinkhole, limits: dict[str, int], **given: Any) -> Router:
    """One that writes there; `given` are settings of its own."""

    async def told() -> dict[str, int]:
        return limits

    asked = RecordLimits(told)
    producer: Any = sinkhole
    kafka = KafkaSettings()
    letters = DeadLetters(producer, kafka.topic(DEAD_LETTERS.name), asked)
    guard = FloodGuard(1.0)
    return Router(
        RouterSettings(**given), kafka, cast("AIOKafkaProducer", producer), letters, guard, asked
    )


def _too_much(
    messages: Sequence[Hostile],
    spent: float,
    longest: float,
    memory: int,
    *,
    is_measured: bool,
) -> list[str]:
    wrong = []
    most = sum(budget.most_seconds(len(each.value)) for each in messages)
    if not is_measured:
        if spent > most:
            wrong.append(f"slow: {spent:.2f} s of CPU, {most:.2f} may be")
        if longest > _LONGEST_TURN * budget.most_seconds(MAX_MESSAGE_BYTES):
            wrong.append(f"slow: the loop did not turn for {longest:.2f} s of CPU")
    elif memory > (may := budget.most_memory(max(len(each.value) for each in messages))):
        wrong.append(f"{memory} bytes of memory, {may} may be")
    if PERSONAL in metrics.exposition().decode():
        wrong.append("a person's name in a metric")
    return wrong
