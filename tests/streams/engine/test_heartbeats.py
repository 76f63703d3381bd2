"""What a worker makes of the answers to its heartbeats."""

import asyncio
from collections.abc import Iterator

from aiokafka.errors import GroupAuthorizationFailedError

from streams.engine.policy import EnginePolicy
from tests.streams.engine.unstarted import coordinator_of, thread_of

GROUP = "mparticle-streams-router"


async def test_a_heartbeat_that_is_refused_is_told_until_one_is_answered() -> None:
    """It was the last of aiokafka's: a worker with nothing to commit would never come back.

    The broker puts out who is silent, and only who asks hears of it.
    """
    answers: Iterator[Exception | bool] = iter([GroupAuthorizationFailedError(GROUP), False, True])

    async def heartbeat() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    coordinator = coordinator_of(
        _do_heartbeat=heartbeat, _closing=asyncio.get_running_loop().create_future()
    )
    thread = thread_of(None)
    thread.consumer.transport.policy = EnginePolicy(join_again_s=0.0)
    thread.supervise(coordinator)

    async def beat() -> tuple[bool, str]:
        answered = await coordinator._do_heartbeat()
        await asyncio.sleep(0)  # what the consumer's thread tells is heard a turn later
        return answered, thread.consumer.refusals.said

    refused, unanswered, answered = [await beat() for _ in range(3)]

    assert refused[0] is False
    assert f"have its user granted Read on the group {GROUP}" in refused[1]
    assert unanswered == refused
    assert answered == (True, "")
