"""Makes a list before anyone is posted to it.

Sailthru makes an unknown list itself when a user joins it, and as many of one name as there are
requests at that moment (grouparoo/grouparoo, pull request 56).
"""

import asyncio
from collections.abc import Iterable

from agents.sailthru.calls import ListCall
from agents.sailthru.client import Client
from agents.sailthru.errors import UNKNOWN_LIST
from streams.delivery.outcomes import Delivered, Outcome
from streams.delivery.pacing import Pacer

# Far more than an account has; what plays with names must not fill the memory.
_MOST_NAMES = 100_000


class Lists:
    """The lists known to be there. Whoever asks for one that is being made waits for that."""

    def __init__(self, client: Client, pacer: Pacer) -> None:
        self._client = client
        self._pacer = pacer
        self._there: set[str] = set()
        self._under_way: dict[str, asyncio.Task[Outcome]] = {}

    async def ensure(self, name: str) -> Outcome:
        """Returns Delivered once the list is there, else why it is not."""
        if name in self._there:
            return Delivered()
        if (task := self._under_way.get(name)) is None:
            task = self._under_way[name] = asyncio.create_task(self._look_or_make(ListCall(name)))
            task.add_done_callback(lambda _: self._under_way.pop(name))
        # One who gives up must not take it from the others.
        return await asyncio.shield(task)

    def forget(self, names: Iterable[str]) -> None:
        """Looks again the next time."""
        self._there.difference_update(names)

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_or_make(self, call: ListCall) -> Outcome:
        await self._pacer.permit("list GET")
        outcome = await self._client.get("list", call.lookup())
        if outcome == UNKNOWN_LIST:
            await self._pacer.permit("list")
            outcome = await self._client.post("list", call.payload())
        if isinstance(outcome, Delivered):
            if len(self._there) >= _MOST_NAMES:
                self._there.clear()
            self._there.add(call.name)
        return outcome
