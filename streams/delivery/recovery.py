"""Recovers what a worker must know of a partition's past before it may go on there."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

import structlog
from faust.types import TP
from pydantic import ValidationError

from models.record import kinds_superseded_by
from streams import headers
from streams.delivery.components import Components
from streams.delivery.history import Group, History
from streams.delivery.lane import Source
from streams.delivery.sink import placement
from streams.engine.partition import Partition
from streams.kafka.tables import FollowedTable

log = structlog.get_logger()


class Recovery:
    """Reads it back from the log, or has kept it while nobody else went on with the partition.

    Partitions of the same number go on together: they hold the same users, and an event must not
    be sent before the log has told of a user's change of address.
    """

    def __init__(
        self,
        components: Components,
        audiences: FollowedTable,
        history: History,
        go_on: Callable[[Group], None],
    ) -> None:
        """`go_on` is told of what may be fetched."""
        self._outlet = components.outlet
        self._readers = components.readers
        self._deduplication = components.deduplication
        self._staleness = components.staleness
        self._audiences = audiences
        self._history = history
        self._go_on = go_on
        self._left: dict[TP, Partition] = {}
        self._assigned = asyncio.Queue[tuple[Group, set[Partition]]]()
        self._recalling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Recalls, one assignment after the other, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                partitions, unknown = await self._assigned.get()
                if any(partition.closed for partition in partitions):
                    continue  # gone again, before it was its turn
                self._recalling = tasks.create_task(self._recall(partitions, unknown))
                await asyncio.wait({self._recalling})

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Has these partitions recalled, and forgets what was left and has not come back."""
        left, self._left = self._left, {}
        unknown = set()
        for partition in partitions:
            before = left.pop(partition.tp, None)
            if before is None or not before.started or before.committed != partition.committed:
                unknown.add(partition)
            if before is not None and before.epoch != partition.epoch:
                self._forget(partition.tp)
        for tp in left:
            self._forget(tp)
        self._assigned.put_nowait((partitions, unknown))

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Stops recalling; what is known is kept until the next assignment."""
        self._left = {partition.tp: partition for partition in partitions}
        if self._recalling is not None:
            self._recalling.cancel()
            await asyncio.wait({self._recalling})

    def _forget(self, tp: TP) -> None:
        self._deduplication.forget(tp)
        self._staleness.forget(tp)

    async def _recall(self, partitions: Group, unknown: set[Partition]) -> None:
        await self._audiences.whole()
        together = _by_number(partitions)
        to_read = []
        for group in together.values():
            if unread := [each for each in group if each in unknown]:
                to_read.append(unread)
            else:
                self._start(group)
        if to_read:
            share = self._deduplication.limit // len(partitions)
            async with aclosing(self._history.read(to_read, share, self._learn)) as read:
                async for group in read:
                    self._start(together[group[0].tp.partition])
        log.info(
            "state_recovered",
            partitions_kept=len(partitions) - len(unknown),
            partitions_read=len(unknown),
            records_read=sum(partition.recalled for partition in unknown),
        )

    def _start(self, group: Group) -> None:
        if not any(partition.closed for partition in group):
            self._go_on(group)

    def _learn(self, partition: Partition, source: Source) -> None:
        marks = headers.read(source.headers)
        if not marks.is_for(self._outlet.name):
            return
        if marks.identity is not None:
            self._deduplication.mark_ended(partition.tp, [marks.identity])
        kind = marks.kind
        if source.key is not None:
            user, updates = source.key.decode(errors="replace"), self._staleness.updates
            updates.see(partition.tp, user, marks, source.offset)
            if kind in kinds_superseded_by("raw position"):
                updates.is_overtaken(partition.tp, user, marks, source.offset)
        learns = self._outlet.learns
        recalls = learns is not None and kind in learns.recalls
        is_timed = kind in kinds_superseded_by("event time")
        if not is_timed and not recalls:
            return
        try:
            record = self._readers[source.topic](source.value or b"")
        except ValidationError:
            return  # it ended as a dead letter, and says nothing now either
        at = placement(record, source.key, source.partition)
        if is_timed:
            offset = source.offset
            self._staleness.is_stale(partition.tp, record, at.user, marks.epoch, offset)
        if learns is not None and recalls:
            learns.recall(record, at)


def _by_number(partitions: Group) -> Mapping[int, Group]:
    together = defaultdict[int, list[Partition]](list)
    for partition in sorted(partitions, key=lambda each: each.tp.partition):
        together[partition.tp.partition].append(partition)
    return together
