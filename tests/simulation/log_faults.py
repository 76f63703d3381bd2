"""What befalls the logs and the group's offsets: drawn from a story's seed."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

from streams.kafka.commit_metadata import decode
from streams.topics import AUDIENCE_MEMBERSHIP, BY_USER, EVENTS, RAW, USER_UPDATE, Topic
from tests.simulation.evidence import GROUP
from tests.simulation.groups import METADATA_BYTES, Group
from tests.simulation.kafka import CLUSTER
from tests.simulation.log import NO_ERROR, Partition
from tests.simulation.roles import ROUTER
from tests.simulation.stage import Stage

# Coordinator not available, request timed out, group not authorized, unknown, size.
_REFUSALS = (15, 7, 30, -1, 28)
_NOTICED_S, _HANGING_S, _BEGUN_S, _AHEAD_S, _SEEN_S = 60.0, 4.0, 10.0, 4.0, 120.0
# Clients ask that often how many partitions there are.
_HEARD_S = 10.0
# Of growths under routers, the share that is the raw topic's.
_RAW_GROWS_SHARE = 1 / 3
# And of the others, the share in which something of the added ones is deleted before their turn.
_DELETED_SHARE = 1 / 3
_UNREADABLE = re.compile(
    r"([\w-]+)-(\d+): the batch at offset (\d+) cannot be unpacked \(\w+\)"
    r"(?:, the next begins at (\d+))?"
)
NOT_OF_RAW = frozenset({"corrupt", "deleted", "moved", "truncated"})
"""What makes records be missed: which of raw ones, nobody could say."""


class LogFaults:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._rng = stage.rng
        self._kafka = stage.evidence.kafka
        self._group = self._kafka.group(GROUP)
        self.kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "corrupt": self._corrupt,
            "deleted": self._delete,
            "grows": self._grow,
            "forgotten": self._forget,
            "moved": self._move,
            "refused": self._refuse,
            "rights": self._withdraw_right,
            "truncated": self._truncate,
        }

    async def _delete(self) -> None:
        """Retention takes the beginning of a partition, read or not; or while nobody is there."""
        await self._befall_any_place(self._delete_from)

    async def _befall_any_place(self, happen: Callable[[str, int], None]) -> None:
        """Has it happen to a partition, under the workers' hands or while none is there."""
        topic, number = self._stage.any_place()
        if self._rng.random() < 1 / 2:
            happen(topic, number)
            return
        async with self._stage.all_stopped():
            await asyncio.sleep(self._rng.uniform(0, 5))
            happen(topic, number)

    def _delete_from(self, topic: str, number: int) -> None:
        partition = self._kafka.topics[topic][number]
        first, end = partition.start, self._rng.randint(partition.start, partition.end)
        if self._rng.random() < 1 / 2:
            end = partition.end
        self._stage.note("deleted")
        taken = self._may_be_lost(topic, number, range(first, end))
        if self._group.offsets:
            # Before that the group had not begun, and misses nothing. It begins all at once: of
            # what is added later it misses all that is deleted.
            self._stage.evidence.deleted |= taken
        partition.delete_before(end)
        self._kafka.tell_arrived()

    async def _grow(self) -> None:
        """A person adds partitions to the topics by user, at once or one topic after another.

        To a multiple of what there was users stay or go to what is new, and who writes goes on, and
        hears of it at once or later. With any other number it is as the documents say: nobody
        writes before all workers have seen them, which nobody waits for under a router. There it
        may be the raw topic that is raised. A group that begins only then cannot tell what is new.
        """
        is_routed = self._stage.evidence.plan.routers > 0
        is_raw = is_routed and self._rng.random() < _RAW_GROWS_SHARE
        topics = (RAW,) if is_raw else BY_USER
        group = self._kafka.group(ROUTER.group) if is_raw else self._group
        old = self._stage.evidence.plan.partitions
        before = {(topic.name, number) for topic in topics for number in range(old)}
        await self._until(lambda: before <= group.offsets.keys(), _BEGUN_S)
        if self._has_grown(topics) or not before <= group.offsets.keys():
            return
        more = old * self._rng.randint(1, 2) if is_routed else self._rng.randint(1, 2 * old)
        is_multiple = (old + more) % old == 0
        apart_s = self._rng.choice([0.0, 3.0, 8.0])
        heard_s = self._rng.choice([0.0, self._rng.uniform(0, _HEARD_S)]) if is_multiple else 0.0
        self._stage.note("grows", "", apart_s * len(topics) + heard_s)
        self._stage.evidence.is_writing = is_multiple
        self._stage.evidence.heard_of = None if is_routed and not is_raw else old
        for topic in topics:
            self._kafka.create(topic.name, more)
            await asyncio.sleep(apart_s)
        await asyncio.sleep(heard_s)
        self._stage.evidence.heard_of = None
        if not is_routed and self._rng.random() < _DELETED_SHARE:
            # Retention may be faster than the turn of what was added.
            await asyncio.sleep(self._rng.uniform(0, _HEARD_S))
            number = self._rng.randrange(old, old + more)
            self._delete_from(self._rng.choice([USER_UPDATE, EVENTS]).name, number)
        unseen = {*before}

        def are_seen() -> bool:
            told = {each for each in unseen if self._is_seen(group, each, old + more)}
            unseen.difference_update(told)
            return not unseen

        await self._until(are_seen, _SEEN_S)
        if unseen:
            said = f"nobody has said where {sorted(unseen)} ended when there were {old + more}"
            self._stage.evidence.unnoticed.append(said)
        self._stage.evidence.is_writing = True

    def _is_seen(self, group: Group, place: tuple[str, int], partitions: int) -> bool:
        """Whether a worker has said where it ended when there were so many."""
        offset, text = group.offsets.get(place, (0, ""))
        told = decode(text, offset, CLUSTER)
        return told is not None and told.sight.partitions == partitions

    def _has_grown(self, topics: Sequence[Topic] = BY_USER) -> bool:
        there_are = len(self._kafka.topics[topics[0].name])
        return there_are > self._stage.evidence.plan.partitions

    async def _move(self) -> None:
        """A person moves the group's offset of a partition, back or on."""
        topic, number = self._stage.any_place()
        partition = self._kafka.topics[topic][number]
        async with self._stage.all_stopped():
            if self._group.members:
                return
            to = self._rng.randint(partition.start, partition.end)
            self._stage.note("moved")
            self._may_be_lost(topic, number, range(to))
            self._group.offsets[topic, number] = to, ""

    async def _forget(self) -> None:
        """The group is deleted, or its offsets have expired while nobody was in it.

        Not where partitions were added: a group that begins anew cannot tell which.
        """
        async with self._stage.all_stopped():
            if not self._group.members and not self._has_grown():
                self._stage.note("forgotten")
                self._group.offsets.clear()

    async def _refuse(self) -> None:
        """Commits are refused, or some of them for the size of what is written beside them."""
        seconds = self._rng.uniform(0.5, 5)
        self._stage.note("refused", "", seconds)
        if self._rng.random() < 1 / 2:
            self._group.metadata_bytes = self._rng.choice([0, 60, 200])
        else:
            self._kafka.commits_get = self._rng.choice(_REFUSALS)
        await asyncio.sleep(seconds)
        self._group.metadata_bytes, self._kafka.commits_get = METADATA_BYTES, NO_ERROR

    async def _withdraw_right(self) -> None:
        """Access rules are applied anew without the right to read a topic, and again with it."""
        seconds = self._rng.uniform(0.5, 8)
        topics = [USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP]
        if self._stage.evidence.plan.routers:
            topics.append(RAW)
        topic = self._rng.choice(topics).name
        self._stage.note("rights", "", seconds)
        self._kafka.may_not_read.add(topic)
        await asyncio.sleep(seconds)
        self._kafka.may_not_read.discard(topic)

    async def _corrupt(self) -> None:
        """A disk turns a bit of a batch that nobody has read, in a backlog or in what comes in."""
        await self._befall_any_place(self._corrupt_unread)

    def _corrupt_unread(self, topic: str, number: int) -> None:
        partition = self._kafka.topics[topic][number]
        committed, _ = self._group.offsets.get((topic, number), (0, ""))
        unread = [
            each.base
            for each in partition.batches
            if each.base >= committed and not each.is_control
        ]
        # Of what nobody has asked for it is nobody's loss.
        at = self._rng.choice(unread or [partition.end])
        if not unread:
            partition.write([(b"", b"", [])], self._kafka.now_ms)
        self._stage.note("corrupt")
        partition.corrupt(at)
        self._kafka.tell_arrived()

    async def _truncate(self) -> None:
        """A log ends before what the group has committed: its end was lost, or it is another's."""
        await self._until(
            lambda: any(offset for offset, _ in self._group.offsets.values()), _BEGUN_S
        )
        service = self._stage.evidence.service
        if self._rng.random() < 1 / 2:
            # What ended beyond the first that has not is told beside the offset.
            service.fails_for = self._stage.any_user()
            await self._until(lambda: bool(self._places_with_runs()), _AHEAD_S)
        async with self._stage.all_stopped():
            service.fails_for = None
            if self._group.members:
                return
            places = self._places_with_runs()
            topic, number = self._rng.choice(places) if places else self._stage.any_place()
            partition = self._kafka.topics[topic][number]
            partition.is_closed = True
            before = partition.end
            self._stage.note("truncated")
            committed, _ = self._group.offsets.get((topic, number), (0, ""))
            least = self._rng.choice([partition.start, max(partition.start, committed)])
            # Batches go as wholes, so that the log may end before what was drawn.
            hanging = partition.cut_off(self._rng.randint(min(least, before), before))
            self._may_be_lost(topic, number, range(partition.end, before))
        # What is written before anybody looks cannot be told from what was there.
        await self._until_noticed(topic, number, partition)
        partition.is_closed = False
        for producer in hanging:
            await asyncio.sleep(self._rng.uniform(0, _HANGING_S))
            if partition.is_open(producer):
                # As a person does with `kafka-transactions.sh abort`.
                self._may_be_lost(topic, number, partition.offsets_in_transaction(producer))
                partition.mark_transaction(producer, self._kafka.now_ms, aborts=True)
                self._kafka.tell_arrived()

    async def pass_over(self, said: str) -> None:
        """As a person does who reads on /ready what cannot be unpacked, and the runbook.

        They wait until what stands before it has been delivered, stop all, and move the offset.
        """
        for topic, number, offset, behind in _UNREADABLE.findall(said):
            place, at = (topic, int(number)), int(offset)
            batch = self._kafka.topics[topic][place[1]].unreadable_at(at)
            if batch is None or (behind and int(behind) != batch.end):
                to = f" to {behind}" if behind else ""
                wrong = f"{topic} {number} is said to be unreadable from {at}{to}, and is not"
                self._stage.evidence.unnoticed.append(wrong)
            elif self._stands_at(place, at):
                async with self._stage.all_stopped():
                    if not self._group.members and self._stands_at(place, at):
                        self._stage.note("corrupt")
                        self._may_be_lost(*place, range(batch.base, batch.end))
                        self._group.offsets[place] = batch.end, ""

    def _stands_at(self, place: tuple[str, int], offset: int) -> bool:
        return self._group.offsets.get(place, (-1, ""))[0] == offset

    async def _until_noticed(self, topic: str, number: int, partition: Partition) -> None:
        await self._until(lambda: self._reach(topic, number) <= partition.end, _NOTICED_S)
        if (reach := self._reach(topic, number)) > partition.end:
            self._stage.evidence.unnoticed.append(
                f"{topic} {number} ends at {partition.end}, and a minute later the group still "
                f"says that it has come to {reach}"
            )

    async def _until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Waits until something is so, and so long at most."""
        until = self._stage.loop.now_s + seconds
        while self._stage.loop.now_s < until and not is_so():  # noqa: ASYNC110 - simulated time
            await asyncio.sleep(0.2)

    def _places_with_runs(self) -> Sequence[tuple[str, int]]:
        """Those of which the group says that more has ended, beyond what has not."""
        return [
            (topic, number)
            for (topic, number), (offset, _) in self._group.offsets.items()
            if self._reach(topic, number) > offset
        ]

    def _reach(self, topic: str, number: int) -> int:
        """How far the group says that it has come, runs beyond its offset included."""
        offset, text = self._group.offsets.get((topic, number), (0, ""))
        told = decode(text, offset, CLUSTER)
        return told.ended[-1][1] if told and told.ended else offset

    def _may_be_lost(self, topic: str, partition: int, offsets: Container[int]) -> set[str]:
        """Notes, and returns, the ids of what stands there."""
        self._kafka.topics[topic][partition].disturbed += 1
        taken = {
            each.id
            for each in self._stage.evidence.written
            if each.topic == topic and each.partition == partition and each.offset in offsets
        }
        self._stage.evidence.excused |= taken
        return taken
