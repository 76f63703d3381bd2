"""What a large message costs the worker's other work: memory, and turns of the event loop."""

import asyncio
import contextlib
import tracemalloc
from typing import Any

import orjson

from streams.topics import ALL, EVENTS, MAX_MESSAGE_BYTES, RAW, USER_UPDATE
from tests.agents.router.shapes import ordinary
from tests.fuzz.router import new_router
from tests.fuzz.sinkhole import Sinkhole
from tests.streams.records import fetch, new_partition, source

_MIB = 1024 * 1024
_LIMITS = {topic.name: MAX_MESSAGE_BYTES for topic in ALL}


class _Routed:
    """What became of a message, how often the loop turned meanwhile, and the memory it took."""

    def __init__(self) -> None:
        self.sinkhole = Sinkhole(_LIMITS)
        self.turns = 0
        self.peak = 0


async def _routed(value: bytes, *, is_measured: bool = False, **given: Any) -> _Routed:
    found = _Routed()
    router = new_router(found.sinkhole, _LIMITS, **given)
    partition = new_partition(topic=RAW.name)
    run = asyncio.create_task(router.run())
    if is_measured:
        tracemalloc.start()
    try:
        await router.assigned([partition])
        await router.accept(fetch(partition, [source(value, 0, topic=RAW.name)]))
        async with asyncio.timeout(120):
            while partition.offsets.waiting:
                found.turns += 1
                await asyncio.sleep(0.001)
        found.peak = tracemalloc.get_traced_memory()[1] if is_measured else 0
    finally:
        tracemalloc.stop()
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
    return found


def _growing(events: int, identities: int, kind: str = "first_run") -> bytes:
    """Each of many records repeats many identities."""
    message = {
        "mpid": "17",
        "events": [{"event_type": kind, "data": {"event_id": f"{n}"}} for n in range(events)],
        "user_identities": [{"type": f"o{n}", "value": "a" * 60} for n in range(identities)],
    }
    return orjson.dumps(message)


async def test_the_loop_turns_while_a_large_message_is_routed() -> None:
    routed = await _routed(ordinary(3_000_000))
    assert set(routed.sinkhole.topics) == {EVENTS.name}
    # In slices of 5 ms, which Python's interpreter gives threads, it turns many times more.
    assert routed.turns >= 10


async def test_a_message_that_would_become_gigabytes_takes_no_more_memory_than_others() -> None:
    value = _growing(events=8_000, identities=4_000)
    assert len(value) < 800_000
    routed = await _routed(value, is_measured=True)
    assert routed.sinkhole.reasons == ["too_much_growth"]
    assert routed.peak < 64 * _MIB


async def test_records_of_one_message_are_written_before_all_of_them_are_held() -> None:
    value = _growing(events=300, identities=4_000)
    routed = await _routed(value, is_measured=True, max_growth=1_000)
    assert routed.sinkhole.reasons == []
    assert routed.sinkhole.bytes > 100 * _MIB
    assert routed.peak < 64 * _MIB


async def test_what_is_written_in_parts_begins_with_the_updates() -> None:
    message = orjson.loads(_growing(events=60, identities=4_000))
    change = {"user_attribute_name": "tier", "new": "gold", "event_id": "u"}
    message["events"].append({"event_type": "user_attribute_change", "data": change})
    routed = await _routed(orjson.dumps(message), max_growth=1_000)
    assert routed.sinkhole.bytes > 16 * _MIB
    assert routed.sinkhole.topics[0] == USER_UPDATE.name
    assert routed.sinkhole.topics.count(USER_UPDATE.name) == 1
