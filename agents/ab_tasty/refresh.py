"""Sends members' rows again before they lapse: mParticle sends changes only."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from zlib import crc32

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata

from models.audience_membership import MembershipChanged
from models.record import Identity, RawPosition
from streams.delivery.feed import Feed, Repeat
from streams.delivery.outcomes import Dropped, Rejected
from streams.delivery.sink import Lane, Placement
from streams.engine.partition import Partition
from streams.settings import KafkaSettings
from streams.topics import AB_TASTY_MEMBERS, AUDIENCE_MEMBERSHIP

log = structlog.get_logger()

DAY_MS = 24 * 60 * 60 * 1000
# Of the 30 days that AB Tasty keeps a row ("Universal data connector API") two are for delays.
_LASTS_DAYS = 28
_LOOK_SECONDS = 60.0

Place = Callable[[MembershipChanged, Placement], Lane | Dropped | Rejected]


class Slice(NamedTuple):
    """The members whose turn a day is: everyone's is once in `days` days."""

    day: int
    days: int

    def holds(self, key: bytes) -> bool:
        return crc32(key) % self.days == self.day % self.days


class Joined(NamedTuple):
    """A member as the topic holds it, and when AB Tasty last took the row."""

    offset: int
    key: bytes
    at_ms: int


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
        self._scanned: tuple[int, Slice] | None = None
        self._changed: set[bytes] = set()
        self._done: dict[Partition, int] = {}

    def reads(self, partition: int) -> bool:
        """Whether a slice of the partition is being read: then `changed` must hear of changes."""
        return self._scanned is not None and self._scanned[0] == partition

    def changed(self, key: bytes) -> None:
        """Takes a change that comes in."""
        if self._scanned is not None and self._scanned[1].holds(key):
            self._changed.add(key)

    async def run(self, feed: Feed) -> None:
        """Works until cancelled; when Kafka is away it tries again later."""
        group = self._kafka.group("ab-tasty-refresh")
        async with AIOKafkaConsumer(
            **self._kafka.client_options(),
            group_id=group,
            enable_auto_commit=False,
            # A fetch that waits at the end of a partition holds up the next from its beginning.
            fetch_max_wait_ms=20,
        ) as consumer:
            while True:
                self._done = {each: self._done.get(each, 0) for each in feed.partitions}
                for partition in feed.partitions:
                    try:
                        await self.catch_up(consumer, feed, partition)
                    except KafkaError as error:
                        log.warning("refresh_interrupted", error=type(error).__name__)
                    consumer.unsubscribe()
                await asyncio.sleep(_LOOK_SECONDS)

    async def catch_up(self, consumer: AIOKafkaConsumer, feed: Feed, partition: Partition) -> None:
        """Does today's slice, and those of days on which nobody did them."""
        today = self._now_ms() // DAY_MS
        if self._done.get(partition) == today:
            return
        at = TopicPartition(self._topic, partition.tp.partition)
        consumer.assign([at])
        done = max(await self._last_day(consumer, at), today - self._days)
        for day in range(done + 1, today + 1):
            end = await self._scan(consumer, at, feed.repeat(partition, self._topic), day)
            if end is None:
                return
            # What was done is kept where offsets are: days and day stand beside the offset.
            await consumer.commit({at: OffsetAndMetadata(end, f"{self._days} {day}")})
        self._done[partition] = today

    async def _last_day(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
        """The last day whose slice was done; 0 if that is not known, or the slices were others."""
        committed = await consumer._coordinator.fetch_committed_offsets([at])  # noqa: SLF001 - as in streams/engine/start.py
        days, _, day = committed[at].metadata.partition(" ") if at in committed else ("", "", "")
        return int(day) if days == str(self._days) and day.isdecimal() else 0

    async def _scan(
        self, consumer: AIOKafkaConsumer, at: TopicPartition, repeat: Repeat, day: int
    ) -> int | None:
        """Returns where the partition ended; None when it was taken away meanwhile."""
        slice_ = Slice(day, self._days)
        with self._watching(at.partition, slice_):
            # What came before is then in the topic, and what comes from now on is noted. Before
            # the end there may also be a leave that AB Tasty took just before a crash.
            source = TopicPartition(self._kafka.topic(AUDIENCE_MEMBERSHIP.name), at.partition)
            if not await repeat.settled((await consumer.end_offsets([source]))[source]):
                return None
            end, members = await self._read(consumer, at, slice_)
            due_ms = self._now_ms() - (_LASTS_DAYS - self._days) * DAY_MS
            for member in members:
                if member.at_ms > due_ms:
                    continue
                if not await repeat.room():
                    return None
                self._again(repeat, at, member)
            return end if await repeat.ended() else None

    @contextmanager
    def _watching(self, partition: int, slice_: Slice) -> Iterator[None]:
        self._scanned = partition, slice_
        try:
            yield
        finally:
            self._scanned = None
            self._changed = set()

    async def _read(
        self, consumer: AIOKafkaConsumer, at: TopicPartition, slice_: Slice
    ) -> tuple[int, Sequence[Joined]]:
        """The members of a slice, as they stand at the end of the partition."""
        joined: dict[bytes, Joined] = {}
        end = (await consumer.end_offsets([at]))[at]
        consumer.seek(at, (await consumer.beginning_offsets([at]))[at])
        while await consumer.position(at) < end:
            for records in (await consumer.getmany(at, timeout_ms=500)).values():
                for record in records:
                    key = record.key or b""
                    if record.offset < end and slice_.holds(key):
                        joined.pop(key, None)
                        if record.value is not None and record.value.isdigit():
                            joined[key] = Joined(record.offset, key, int(record.value))
        return end, list(joined.values())

    def _again(self, repeat: Repeat, at: TopicPartition, member: Joined) -> None:
        visitor_id, _, audience_id = member.key.decode().partition("/")
        if member.key in self._changed or self._is_disconnected(audience_id):
            return
        record = self._record(visitor_id, audience_id, at, member.offset)
        placed = self._place(record, Placement(visitor_id, at.partition))
        if isinstance(placed, Lane):
            repeat.queue(placed, _source(at, member), record)

    def _record(
        self, visitor_id: str, audience_id: str, at: TopicPartition, offset: int
    ) -> MembershipChanged:
        kind, _, type_ = self._identity.partition(":")
        identity = (Identity(type=type_, value=visitor_id),)
        record = MembershipChanged(
            id=f"refresh/{at.partition}/{offset}",
            mpid=visitor_id if kind == "mpid" else None,
            identities=identity if kind == "user" else (),
            partner_identities=identity if kind == "partner" else (),
            received_at_ms=self._now_ms(),
            raw=RawPosition(
                topic=AB_TASTY_MEMBERS.name, partition=at.partition, offset=offset, index=0
            ),
            change="joined",
            audience_id=audience_id,
        )
        # Counted apart: no record of the router's is behind it.
        return record.model_copy(update={"kind": "membership_refreshed"})

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _source(at: TopicPartition, member: Joined) -> ConsumerRecord:
    value = b"%d" % member.at_ms
    return ConsumerRecord(
        topic=at.topic,
        partition=at.partition,
        offset=member.offset,
        timestamp=member.at_ms,
        timestamp_type=0,
        key=member.key,
        value=value,
        checksum=None,
        serialized_key_size=len(member.key),
        serialized_value_size=len(value),
        headers=(),
    )
