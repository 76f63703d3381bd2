"""Updates first: what happened to a user does not overtake an update that came before it.

The router has a chunk's user-updates acknowledged before it writes the rest. So whoever asks for
the end of `user-update` after having read an event knows a place before which all the updates
stand that the event may count on.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streams import metrics
from streams.delivery.lane import Item
from streams.delivery.log_end import LogEnd

_MOST_SECONDS = 30.0


class Precedence:
    """Knows which updates have been admitted, and which of them have not ended.

    `updates` is the name of `user-update` on the cluster.
    """

    def __init__(self, updates: str, log_end: LogEnd) -> None:
        self.updates = updates
        self._log_end = log_end
        self._admitted: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._unfinished: defaultdict[str, dict[int, None]] = defaultdict(dict)
        self._parked: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Holds the connection to Kafka while the worker runs."""
        async with self._log_end:
            yield

    def started(self, partition: int, offset: int) -> None:
        """Updates of a partition will be admitted from this offset on."""
        self._admitted[partition] = offset

    def admitted(self, partition: int, end: int) -> None:
        """All updates of a partition before `end` have been admitted."""
        self._admitted[partition] = end
        self._moved.set()

    def queued(self, item: Item) -> None:
        if item.source.topic == self.updates:
            self._unfinished[item.user][item.source.offset] = None

    def ended(self, item: Item) -> None:
        if item.source.topic != self.updates:
            return
        unfinished = self._unfinished[item.user]
        unfinished.pop(item.source.offset, None)
        if not unfinished:
            del self._unfinished[item.user]
        # Whoever still has to wait parks again.
        for wake in list(self._parked.get(item.user, ())):
            wake()

    async def barrier(self, partition: int, since: float) -> int:
        """Waits until the updates before now have been admitted; returns where they end.

        At most 30 seconds from `since`, in the event loop's time.
        """
        end = await self._log_end.of(partition)
        try:
            async with asyncio.timeout_at(since + _MOST_SECONDS):
                while self._admitted.get(partition, end) < end:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            metrics.OVERTAKEN.inc()
        return end

    def park(self, item: Item, wake: Callable[[], None]) -> bool:
        """Whether an item must wait for its user's updates; then `wake` is called, once."""
        first = next(iter(self._unfinished.get(item.user, ())), None)
        if first is None or first >= item.barrier:
            return False
        loop = asyncio.get_running_loop()
        latest = item.queued_at + _MOST_SECONDS
        if loop.time() >= latest:
            metrics.OVERTAKEN.inc()
            return False
        parked = self._parked[item.user]

        def wake_once() -> None:
            timer.cancel()
            if wake_once in parked:
                parked.remove(wake_once)
                wake()

        timer = loop.call_at(latest, wake_once)
        parked.append(wake_once)
        return True

    def close(self) -> None:
        """Forgets everything: the partitions are gone."""
        self._admitted.clear()
        self._unfinished.clear()
        for parked in self._parked.values():
            parked.clear()
        self._parked.clear()
        self._moved.set()
