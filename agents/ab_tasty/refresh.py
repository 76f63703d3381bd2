"""Sends members' rows again before they lapse: mParticle sends changes only."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from agents.ab_tasty.refreshed import refreshed, source
from agents.ab_tasty.slices import Joined, Slices
from models.audience_membership import MembershipChanged
from streams.delivery.resend import Feed, Repeat
from streams.delivery.sink import Lane, Placement
from streams.engine.partition import Partition
from streams.kafka.committed_offsets import read_committed
from streams.outcomes import Dropped, Rejected
from streams.settings import KafkaSettings
from streams.topics import AB_TASTY_MEMBERS, AUDIENCE_MEMBERSHIP

log = structlog.get_logger()

DAY_MS = 24 * 60 * 60 * 1000
# Of the 30 days that AB Tasty keeps a row ("Universal data connector API") two are for delays.
_LASTS_DAYS = 28
_LOOK_SECONDS = 60.0
_ASSIGNED_SECONDS = 0.5
# Some 60 MB. A day's slice may be larger: then it is a reading of its own.
_MOST_MEMBERS = 250_000

Place = Callable[[MembershipChanged, Placement], Lane | Dropped | Rejected]


class Refresh:
    """Reads one slice of each partition a day, to its end, and sends the rows that are due.

    Not record by record: who left stands later in the log than that he joined, and compaction is
    late. So a slice is read whole first. What changes while that goes on is left out: it is in the
    lanes already or will be, and its own delivery sets the time anew.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        days: int,
        identity: str,
        place: Place,
        is_disconnected: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._kafka = kafka
        self._days = days
        self._identity = identity
        self._place = place
        self._is_disconnected = is_disconnected
        self._clock = clock
        self._topic = kafka.topic(AB_TASTY_MEMBERS.name)
        self._watched: tuple[int, Slices] | None = None
        self._changed: set[bytes] = set()
        self._done: dict[Partition, int] = {}

    def reads(self, partition: int) -> bool:
        """Whether slices of the partition are being read: then `changed` must hear of changes."""
        return self._watched is not None and self._watched[0] == partition

    def changed(self, key: bytes) -> None:
        """Takes a change that comes in."""
        if self._watched is not None and self._watched[1].holds(key):
            self._changed.add(key)

    async def run(self, feed: Feed) -> None:
        """Works until cancelled; when Kafka is away it tries again later."""
        group = self._kafka.group("ab-tasty-refresh")
        async with AIOKafkaConsumer(
            **self._kafka.consumer_options(),
            group_id=group,
            enable_auto_commit=False,
            # A fetch that waits at the end of a partition holds up the next from its beginning.
            fetch_max_wait_ms=20,
        ) as consumer:
            while True:
                assigned = feed.partitions
                self._done = {each: self._done.get(each, 0) for each in assigned}
                for partition in assigned:
                    try:
                        await self.catch_up(consumer, feed, partition)
                    except KafkaError as error:
                        log.warning("refresh_interrupted", error=type(error).__name__)
                    consumer.unsubscribe()
                await until_others(feed, assigned)

    async def catch_up(self, consumer: AIOKafkaConsumer, feed: Feed, partition: Partition) -> None:
        """Does today's slice, and those of days on which nobody did them."""
        today = self._now_ms() // DAY_MS
        if self._done.get(partition) == today:
            return
        at = TopicPartition(self._topic, partition.tp.partition)
        consumer.assign([at])
        done = max(await self._last_day(consumer, at), today - self._days)
        while done < today:
            due_ms = self._now_ms() - (_LASTS_DAYS - self._days) * DAY_MS
            slices = Slices(range(done + 1, today + 1), self._days, due_ms, _MOST_MEMBERS)
            with self._watching(at.partition, slices):
                if not await self._settled(consumer, feed.repeat(partition, self._topic), at):
                    return
                end = await read(consumer, at, slices)
                for done, members in slices.due():
                    if not await self._send(feed.repeat(partition, self._topic), at, members):
                        return
                    # What was done is kept where offsets are: days and day stand beside the offset.
                    await consumer.commit({at: OffsetAndMetadata(end, f"{self._days} {done}")})
        self._done[partition] = today

    async def _last_day(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
        """The last day whose slice was done; 0 if that is not known, or the slices were others."""
        committed = await read_committed(consumer, [at])
        days, _, day = committed[at].metadata.partition(" ") if at in committed else ("", "", "")
        return int(day) if days == str(self._days) and day.isdecimal() else 0

    async def _settled(
        self, consumer: AIOKafkaConsumer, repeat: Repeat, at: TopicPartition
    ) -> bool:
        """Has what came before put into the topic; what comes from now on is noted.

        Before the end there may also be a leave that AB Tasty took just before a crash.
        """
        changes = TopicPartition(self._kafka.topic(AUDIENCE_MEMBERSHIP.name), at.partition)
        return await repeat.settled((await consumer.end_offsets([changes]))[changes])

    @contextmanager
    def _watching(self, partition: int, slices: Slices) -> Iterator[None]:
        self._watched = partition, slices
        try:
            yield
        finally:
            self._watched = None
            self._changed = set()

    async def _send(self, repeat: Repeat, at: TopicPartition, members: Sequence[Joined]) -> bool:
        """Returns when all have ended; False when the partition was taken away meanwhile."""
        for member in members:
            if not await repeat.room():
                return False
            if member.key in self._changed or self._is_disconnected(member.audience_id):
                continue
            record = refreshed(member, at.partition, self._identity, self._now_ms())
            placed = self._place(record, Placement(member.visitor_id, at.partition))
            if isinstance(placed, Lane):
                repeat.queue(placed, source(member, at), record)
        return await repeat.ended()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


async def read(consumer: AIOKafkaConsumer, at: TopicPartition, slices: Slices) -> int:
    """Reads a partition whole; returns where it ended."""
    end = (await consumer.end_offsets([at]))[at]
    consumer.seek(at, (await consumer.beginning_offsets([at]))[at])
    while await consumer.position(at) < end:
        for records in (await consumer.getmany(at, timeout_ms=500)).values():
            for record in records:
                if record.offset < end:
                    slices.take(record)
    return int(end)


async def until_others(feed: Feed, assigned: Sequence[Partition]) -> None:
    """Returns when this worker has other partitions than these, a minute later at the latest."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOOK_SECONDS):
            while feed.partitions == assigned:  # noqa: ASYNC110 - an assignment has no event
                await asyncio.sleep(_ASSIGNED_SECONDS)
