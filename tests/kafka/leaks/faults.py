"""What befalls a worker from aiokafka's side, the same for ours and for stock Faust."""

import asyncio
from collections.abc import Callable
from typing import Any

import faust
from aiokafka.protocol.group import LeaveGroupRequest

_HALF_AN_HOUR = 1800.0
_RESTS_SECONDS = 0.25


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - aiokafka tells nobody, and lives in a thread of its own
        await asyncio.sleep(0.05)


def is_member(app: faust.App) -> bool:
    aiokafka = _aiokafka(app)
    return aiokafka is not None and aiokafka._coordinator.generation > 0


async def let_half_an_hour_pass(app: faust.App) -> None:
    """As far as aiokafka can tell, which looks at when its last fetch ended.

    It looks after each heartbeat: once surely, when the second one begins.
    """
    coordinator, subscription = _aiokafka(app)._coordinator, _aiokafka(app)._subscription
    await until(lambda: subscription.fetcher_idle_time > _RESTS_SECONDS)
    heartbeat, heartbeats = coordinator._do_heartbeat, 0

    async def counted() -> bool:
        nonlocal heartbeats
        heartbeats += 1
        answered: bool = await heartbeat()
        return answered

    coordinator._do_heartbeat = counted
    subscription._last_fetch_ended -= _HALF_AN_HOUR
    await until(lambda: heartbeats > 1 or not is_member(app))


async def expel(app: faust.App) -> None:
    """Has Kafka forget this member, so that it refuses what the member commits next."""
    consumer: Any = app.consumer
    coordinator = _aiokafka(app)._coordinator
    leave = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
    await consumer._thread.call_thread(coordinator._send_req, leave)


def _aiokafka(app: faust.App) -> Any:
    consumer: Any = app.consumer
    return consumer._thread._consumer
