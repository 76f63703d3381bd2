"""Commits offsets one call after the other, and keeps what Kafka refused for the next."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from faust.types import TP

from streams import metrics
from streams.engine.group_lease import GroupLease
from streams.engine.partition import Partition
from streams.kafka.commit_metadata import Progress

Offer = Callable[[Mapping[TP, Progress]], Awaitable[bool]]


class Committer:
    """Offers Kafka the progress of all partitions that this worker has now.

    A refused commit changes nothing here, so the same progress is offered again.
    """

    def __init__(self, partitions: Mapping[TP, Partition], lease: GroupLease, offer: Offer) -> None:
        """`offer` says whether Kafka took it."""
        self._partitions = partitions
        self._lease = lease
        self._offer = offer
        self._due = asyncio.Event()
        self._lock = asyncio.Lock()

    def ask(self) -> None:
        """Has a commit made soon: something has changed, or Kafka is to confirm that we are in."""
        self._due.set()

    async def due(self) -> None:
        """Waits for a request to commit and clears it: later ones are another commit."""
        await self._due.wait()
        self._due.clear()

    async def commit(self) -> bool:
        """Commits what has ended since the last commit; all there is, when Kafka is to confirm it.

        Where a partition begins is offered until Kafka has it: what a first start or a person's
        move decided, or the setting that skips, must outlast a crash, and others wait for the sight
        beside it.
        A caller that finds another commit under way waits and then makes its own, so that a last
        commit before a revocation really is one.
        """
        async with self._lock:
            sure = self._lease.is_held()
            progress = {
                tp: now
                for tp, partition in self._partitions.items()
                if (now := partition.progress) != partition.committed
                or not (sure and partition.is_confirmed)
            }
            return not progress or await self._commit(progress)

    async def _commit(self, progress: Mapping[TP, Progress]) -> bool:
        asked_at = self._lease.clock()
        if not await self._offer(progress):
            metrics.COMMITS_FAILED.inc()
            return False
        metrics.COMMITS.inc()
        if progress:
            self._lease.renew(asked_at)
        for tp, each in progress.items():
            if (partition := self._partitions.get(tp)) is not None:
                partition.was_committed(each)
        return True
