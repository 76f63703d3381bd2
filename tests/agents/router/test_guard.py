"""When the router holds: for what says that a deploy or a setting is wrong, and not for data."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from agents.router.processor import BEHIND, Router
from agents.router.settings import RouterSettings
from streams import headers
from streams.dead_letters.writer import FloodGuard
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.agents.router.routing import limits
from tests.streams.delivery.flow import Letters
from tests.streams.records import Headers, fetch, new_partition, source

ALIAS = b'{"request_type": "alias", "source_mpid": 1, "destination_mpid": 2}'


class NoProducer:
    """Of the router's, which writes no record here."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


async def routed(*values: bytes, marks: Headers = ()) -> tuple[Router, Letters]:
    """A router that has had these messages, in one chunk, and the dead letters it wrote."""
    letters = Letters()
    guard = FloodGuard(0.05, BEHIND)
    producer = cast("AIOKafkaProducer", NoProducer())
    router = Router(RouterSettings(), KafkaSettings(), producer, letters, guard, limits())
    partition = new_partition(topic=RAW.name)
    run = asyncio.create_task(router.run())
    await router.assigned([partition])
    records = [
        source(value, offset, topic=RAW.name, headers=marks) for offset, value in enumerate(values)
    ]
    await router.accept(fetch(partition, records))
    async with asyncio.timeout(60):
        while partition.offsets.waiting:  # noqa: ASYNC110 - offsets have no event
            await asyncio.sleep(0)
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    return router, letters


@pytest.mark.parametrize("value", [b"{", b"\xff", b'{"something": "else"}'])
async def test_messages_that_nobody_can_read_hold_the_router(value: bytes) -> None:
    router, letters = await routed(*[value] * 60)

    assert len(letters.written) == 60
    assert router.blocked is not None
    assert "look at KAFKA_PREFIX" in router.blocked.what_to_do


@pytest.mark.parametrize("value", [ALIAS, b'{"type": "event_processing_response"}'])
async def test_messages_that_say_nothing_of_a_setting_do_not(value: bytes) -> None:
    router, _ = await routed(*[value] * 60)

    assert router.blocked is None


async def test_messages_that_a_person_has_set_aside_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "ROUTER_DEAD_LETTER_OFFSETS", ",".join(f"0/{offset}" for offset in range(60))
    )
    router, letters = await routed(*[b"{}"] * 60)

    assert {letter.reason for letter in letters.written} == {"set_aside"}
    assert router.blocked is None


async def test_messages_of_too_many_parts_name_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_MAX_PARTS", "1")
    event = b'{"event_type": "session_start", "data": {}}'
    router, _ = await routed(*[b'{"mpid": 1, "events": [%b, %b]}' % (event, event)] * 60)

    assert router.blocked is not None
    assert "look at ROUTER_MAX_PARTS" in router.blocked.what_to_do


async def test_unreadable_messages_do_not_hide_behind_those_that_say_nothing() -> None:
    router, _ = await routed(*([ALIAS] * 20 + [b"{"]) * 60)

    assert router.blocked is not None


async def test_what_a_person_sends_again_does_not_hold_the_router() -> None:
    router, letters = await routed(*[b"{"] * 60, marks=[(headers.REDRIVEN_OF, b"0/7")])

    assert len(letters.written) == 60
    assert router.blocked is None
