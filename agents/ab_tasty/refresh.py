"""Sends members' rows again before they lapse: mParticle sends changes only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from agents.ab_tasty.day_slices import DaySlices, Joined
from agents.ab_tasty.refresh_progress import Done, Telling, keep_done, read_done
from agents.ab_tasty.topics import AB_TASTY_MEMBERS, REFRESH_GROUP
from models.audience_membership import MembershipChanged
from models.record import Identity, RawPosition
from streams import metrics
from streams.delivery.sink import Feed, LaneKey, Placement, Repeat
from streams.engine.partition import Partition
from streams.kafka import clients, log_bounds, ranges
from streams.outcomes import Dropped, Rejected
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP

DAY_MS = 24 * 60 * 60 * 1000
# AB Tasty keeps a row for 30 days ("Universal data connector API"); two of them are for delays.
_LASTS_DAYS = 28
_ASSIGNED_SECONDS = 0.5
# An election takes a second or two.
_PATIENCE_SECONDS = 5.0

Change = Literal["joined", "left"]
Place = Callable[[MembershipChanged, Placement], LaneKey | Dropped | Rejected]


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """The pause between two looks at what is due, and the most that is held at once."""

    look_s: float = 60.0
    """Seconds between two looks at the partitions that this worker has."""
    most_members: int = 250_000
    """The members of one reading, some 60 MB; a day's slice that has more is read alone."""


class Refresh:
    """Reads one slice of each partition a day, to its end, and sends the rows that are due.

    Not record by record: who left stands later in the log than that they joined, and compaction is
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
        policy: RefreshPolicy,
    ) -> None:
        self._kafka = kafka
        self._policy = policy
        self._days = days
        self._identity = identity
        self._place = place
        self._is_disconnected = is_disconnected
        self._clock = clock
        self._topic = kafka.topic(AB_TASTY_MEMBERS.name)
        self._watched: tuple[int, DaySlices] | None = None
        self._changed: set[bytes] = set()
        self._done: dict[Partition, int] = {}

    def reads(self, partition: int) -> bool:
        """Returns whether slices of the partition are being read; then call `changed`."""
        return self._watched is not None and self._watched[0] == partition

    def changed(self, key: bytes) -> None:
        """Takes a change that comes in."""
        if self._watched is not None and self._watched[1].holds(key):
            self._changed.add(key)

    async def run(self, feed: Feed) -> None:
        """Works until cancelled; when Kafka is away it tries again later."""
        metrics.REFRESH_BEHIND_DAYS.set_function(lambda: self.days_behind)
        telling = Telling(feed, self._kafka)
        group = self._kafka.group(REFRESH_GROUP)
        async with clients.range_consumer(self._kafka, group_id=group) as consumer:
            while True:
                assigned = feed.partitions
                self._done = {each: self._done.get(each, 0) for each in assigned}
                for partition in assigned:
                    with telling.trying():
                        await self.catch_up(consumer, feed, partition)
                    # aiokafka's own tasks fail where they never saw what is taken back.
                    await asyncio.sleep(0)
                    consumer.unsubscribe()
                telling.end_round()
                await until_others(feed, assigned, self._policy.look_s)

    @property
    def days_behind(self) -> int:
        """Returns of how many days members' rows wait, in the worst partition."""
        today = self._today()
        return max((min(today - done, self._days) for done in self._done.values()), default=0)

    def is_done(self, partition: Partition) -> bool:
        """Returns whether all that was due of a partition until today has been sent again."""
        return self._done.get(partition) == self._today()

    def _today(self) -> int:
        return self._now_ms() // DAY_MS

    async def catch_up(self, consumer: AIOKafkaConsumer, feed: Feed, partition: Partition) -> None:
        """Does today's slice, and those of days on which nobody did them."""
        if self.is_done(partition):
            return
        today = self._today()
        at = TopicPartition(self._topic, partition.tp.partition)
        consumer.assign([at])
        before = await read_done(consumer, at)
        done = self._done[partition] = max(before.last_day(self._days), today - self._days)
        while done < today:
            due_ms = self._now_ms() - (_LASTS_DAYS - self._days) * DAY_MS
            days = range(done + 1, today + 1)
            slices = DaySlices(days, self._days, due_ms, self._policy.most_members, self._identity)
            with self._watching(at.partition, slices):
                if not await self._settled(consumer, feed.repeat(partition, self._topic), at):
                    return
                end = await read(self._kafka, consumer, at, slices, before.since)
                for done, members in slices.due():
                    repeat = feed.repeat(partition, self._topic)
                    if not await self._send(repeat, at, members):
                        return
                    # Offsets of what one repeat sends must grow.
                    repeat = feed.repeat(partition, self._topic)
                    if not await self._take_back(repeat, consumer, at, end, members):
                        return
                    await keep_done(consumer, at, end, Done(self._days, done, before.since))
                    self._done[partition] = done

    async def _settled(
        self, consumer: AIOKafkaConsumer, repeat: Repeat, at: TopicPartition
    ) -> bool:
        """Has what came before put into the topic; what comes from now on is noted.

        Before the end there may also be a leave that AB Tasty took just before a crash.
        """
        changes = TopicPartition(self._kafka.topic(AUDIENCE_MEMBERSHIP.name), at.partition)
        # Of both, before anything is sent: what has no leader holds up no other partition.
        ends = await log_bounds.learn_readable(
            consumer, [changes, at], patience_s=_PATIENCE_SECONDS
        )
        return await repeat.wait_until_settled(ends[changes])

    @contextmanager
    def _watching(self, partition: int, slices: DaySlices) -> Iterator[None]:
        self._watched = partition, slices
        try:
            yield
        finally:
            self._watched = None
            self._changed = set()

    async def _send(self, repeat: Repeat, at: TopicPartition, members: Sequence[Joined]) -> bool:
        """Returns when all have ended; False when the partition was taken away meanwhile."""
        for member in members:
            if not await repeat.wait_for_room():
                return False
            if member.key in self._changed or self._is_disconnected(member.audience_id):
                continue
            self._queue(repeat, at, member, "joined")
        return await repeat.wait_until_ended()

    async def _take_back(
        self,
        repeat: Repeat,
        consumer: AIOKafkaConsumer,
        at: TopicPartition,
        end: int,
        members: Sequence[Joined],
    ) -> bool:
        """Sends once more that somebody left, where another worker took their leave meanwhile.

        Where partitions were added, it owns users whose rows stand here. False as `_send`.
        """
        sent = {each.key: each for each in members if each.key not in self._changed}
        left = [sent[key] async for key in leaves(self._kafka, consumer, at, end) if key in sent]
        for member in dict.fromkeys(left):
            if not await repeat.wait_for_room():
                return False
            self._queue(repeat, at, member, "left")
        return await repeat.wait_until_ended()

    def _queue(self, repeat: Repeat, at: TopicPartition, member: Joined, change: Change) -> None:
        record = _refreshed(member, change, at.partition, self._identity, self._now_ms())
        placed = self._place(record, Placement(member.visitor_id, at.partition))
        if isinstance(placed, LaneKey):
            repeat.queue(placed, _source(member, at), record)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


async def read(
    kafka: KafkaSettings,
    consumer: AIOKafkaConsumer,
    at: TopicPartition,
    slices: DaySlices,
    first: int,
) -> int:
    """Reads a partition from an offset on; returns where it ended."""
    [there] = await ranges.whole(consumer, [at])
    rest = there._replace(start=max(there.start, first))
    async for _, records in ranges.read(kafka, consumer, [rest]):
        for record in records:
            slices.add(record)
    return there.end


async def leaves(
    kafka: KafkaSettings, consumer: AIOKafkaConsumer, at: TopicPartition, first: int
) -> AsyncIterator[bytes]:
    """The keys of the tombstones that came into a partition from an offset on."""
    [there] = await ranges.whole(consumer, [at])
    async for _, records in ranges.read(kafka, consumer, [there._replace(start=first)]):
        for record in records:
            if record.value is None and record.key is not None:
                yield record.key


async def until_others(feed: Feed, assigned: Sequence[Partition], seconds: float) -> None:
    """Returns when this worker has other partitions than these, `seconds` later at the latest."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while feed.partitions == assigned:  # noqa: ASYNC110 - an assignment has no event
                await asyncio.sleep(_ASSIGNED_SECONDS)


def _refreshed(
    member: Joined, change: Change, partition: int, identity: str, now_ms: int
) -> MembershipChanged:
    """Makes the record that says a member's row once more.

    `identity` is the setting ABTASTY_IDENTITY: which of a user's ids is the visitor id.
    """
    kind, _, type_ = identity.partition(":")
    identities = (Identity(type=type_, value=member.visitor_id),)
    record = MembershipChanged(
        id=f"refresh/{partition}/{member.offset}",
        mpid=member.visitor_id if kind == "mpid" else None,
        identities=identities if kind == "user" else (),
        partner_identities=identities if kind == "partner" else (),
        received_at_ms=now_ms,
        raw=RawPosition(
            topic=AB_TASTY_MEMBERS.name, partition=partition, offset=member.offset, index=0
        ),
        change=change,
        audience_id=member.audience_id,
    )
    # Counted apart: no record of the router's is behind it.
    return record.model_copy(update={"kind": "membership_refreshed"})


def _source(member: Joined, at: TopicPartition) -> ConsumerRecord:
    """Makes again the record that a member was read from, since a lane needs one."""
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
