"""Waits for what is under way, but not for ever."""

import asyncio
from collections.abc import Collection


async def end_within(seconds: float, tasks: Collection[asyncio.Task[None]]) -> None:
    """Returns when all tasks have ended; cancels those that have not by then."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
