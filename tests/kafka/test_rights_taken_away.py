"""Rights that are taken away from a running worker: which one is said, and nothing is lost."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from agents import rights as components
from streams.kafka.rights import Right
from streams.settings import KafkaSettings
from streams.topics import EVENTS, RAW
from tests.kafka.acls import grant, withdraw
from tests.kafka.log import everything
from tests.kafka.routers import Router, eventually, running
from tests.kafka.secured import Secured, settings_of
from tests.streams.cluster import create, settings, write

pytestmark = pytest.mark.kafka


def message(number: int) -> bytes:
    event = {"event_name": f"Wish {number}", "timestamp_unixtime_ms": 1_767_225_600_000 + number}
    return orjson.dumps(
        {
            "mpid": "7001",
            "environment": "production",
            "events": [{"event_type": "custom_event", "data": event}],
        }
    )


async def routed(to: KafkaSettings, count: int) -> list[ConsumerRecord]:
    """All events, once there are so many."""
    async with asyncio.timeout(60):
        while len(found := await everything(to, EVENTS)) < count:  # noqa: ASYNC110 - a topic tells nothing
            await asyncio.sleep(0.02)
    return found


LACKS: dict[str, Callable[[KafkaSettings], Right]] = {
    "to read": lambda to: Right("Read", "topic", to.topic(RAW.name)),
    "to write": lambda to: Right("Write", "topic", to.topic(EVENTS.name)),
    "to be in its group": lambda to: Right("Read", "group", to.group("router")),
}


@pytest.mark.parametrize("lacks", LACKS)
async def test_a_right_that_is_taken_away_is_named_and_nothing_is_lost(
    broker: Secured, prefix: str, tmp_path: Path, lacks: str
) -> None:
    plain = settings(broker.broker, prefix, partitions=1)
    await create(plain)
    right, user = LACKS[lacks](plain), f"{prefix}router"
    await grant(broker, user, components.of("router").on(plain))
    given = {
        **settings_of(broker, prefix, user, tmp_path),
        "KAFKA_INITIAL_OFFSET": "earliest",
        "KAFKA_SESSION_TIMEOUT_S": "6",
    }
    where = broker.settings("SECURED", prefix=prefix)

    async with AsyncExitStack() as routers:

        async def start() -> Router:
            started = Router(where, tmp_path / "log", **given)
            await routers.enter_async_context(running(started))
            return started

        router = await start()
        await write(plain, RAW, message(0))
        await routed(plain, 1)
        await eventually(lambda: '"ready":true' in router.why_not())

        await withdraw(broker, user, [right])
        await write(plain, RAW, message(1))
        # Who may not write ends, since nobody knows what became of a batch; the others stay.
        stays = lacks != "to write"
        await eventually(lambda: str(right) in (router.why_not() if stays else router.said()))
        said = router.said()
        await write(plain, RAW, message(2))
        await grant(broker, user, [right])
        if not stays:
            await eventually(lambda: router.process.code is not None)
            assert router.process.code != 0
            router = await start()
        found = await routed(plain, 3)
        await eventually(lambda: '"ready":true' in router.why_not())
        assert router.process.code is None

    names = [orjson.loads(each.value)["name"] for each in found]
    assert names == ["Wish 0", "Wish 1", "Wish 2"]
    assert "batch_unreadable" not in said
