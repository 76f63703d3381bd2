"""What is written to the topics while a story goes on."""

import asyncio
from collections import defaultdict
from random import Random
from typing import Any, NamedTuple

import orjson
from aiokafka.partitioner import DefaultPartitioner

from models.event import Event
from models.record import RawPosition, Record
from models.user_update import AttributesChanged
from streams.topics import BY_USER, EVENTS, RAW, USER_UPDATE
from tests.routed import written
from tests.simulation.evidence import Evidence, Written
from tests.simulation.log import Partition, ToWrite
from tests.simulation.loop import SimulatedLoop
from tests.simulation.service import REFUSED, SAID

_WRITTEN_AGAIN_SHARE = 0.05
# Of updates that are raw; the others are told by the attributes of their message alone.
_TOLD_BY_EVENTS_SHARE = 0.5
_AS_BEFORE_SHARE = 0.2
"""Of raw updates, the share that makes their user again what an earlier one had made them."""
_SENT_MS_BEFORE = 300
"""How long a raw message is on its way to Kafka."""
_LONGEST_BEFORE_SENT_AGAIN_S = 8.0
_ABORTED_SHARE = 0.5
_BURST = 4
"""How many records come together, on average."""
_BECOMES_AGAIN_SHARE = 0.25
_USERS_AGAIN, _HELD = 5, 3
"""Of how many users old messages come again, and how many of each."""
_FIRST_PRODUCER = 9_000
_GOES_ON_EVERY_S = 3.0


class _Earlier(NamedTuple):
    """A message as it was written, and what was held of its user then."""

    place: int
    offset: int
    partition: Partition
    what: ToWrite
    user: str
    said: str | None


class Traffic:
    """Writes updates and events of users, in an order that all topics share."""

    def __init__(self, evidence: Evidence, loop: SimulatedLoop, rng: Random) -> None:
        self._evidence = evidence
        self._kafka = evidence.kafka
        self._service = evidence.service
        self._loop = loop
        self._rng = rng
        self._partitioner = DefaultPartitioner()
        self._made = 0
        # User -> what mParticle holds of them, as each of their messages says.
        self._profiles: dict[str, str] = {}
        # And what it held of them at some time.
        self._said = defaultdict[str, list[str]](list)
        self._earlier: list[_Earlier] = []
        self._sent_ms = 0

    async def write(self) -> None:
        plan = self._evidence.plan
        transactions = (self._transact(number) for number in range(plan.transactions))
        await asyncio.gather(self._write_users(), *transactions)

    async def go_on(self) -> None:
        """Writes to each partition of each topic now and then, for as long as it is let."""
        users = {self._place(user): user for user in map(str, range(200, 300))}
        while True:
            await asyncio.sleep(_GOES_ON_EVERY_S)
            for user in users.values():
                for topic in (EVENTS, USER_UPDATE):
                    await self._write_new(topic.name, user, may_be_refused=False)

    async def _write_users(self) -> None:
        plan = self._evidence.plan
        for _ in range(plan.records):
            if self._rng.random() < 1 / _BURST:
                await asyncio.sleep(self._rng.expovariate(plan.records / plan.seconds / _BURST))
            user = str(100 + self._number(plan.users))
            await self._write_new(self._rng.choice([EVENTS, USER_UPDATE]).name, user)
            if self._rng.random() < _WRITTEN_AGAIN_SHARE:
                # As a router does that was killed before it committed.
                self._write_again(self._rng.choice(self._earlier[-20:]))
        if plan.routers and self._earlier and plan.sends_again:
            await asyncio.sleep(self._rng.uniform(0, _LONGEST_BEFORE_SENT_AGAIN_S))
            await self._send_again()

    def _number(self, users: int) -> int:
        """A few users are busy; of those that are imported none is."""
        if self._evidence.plan.theme == "imports":
            return self._rng.randrange(users)
        return min(int(self._rng.expovariate(0.3)), users - 1)

    async def _send_again(self) -> None:
        """As mParticle does with what it holds for undelivered: of some users, a few by turns."""
        of_users = defaultdict[str, list[_Earlier]](list)
        for each in self._earlier:
            # What says of its user what is so says nothing.
            if each.said != self._profiles.get(each.user):
                of_users[each.user].append(each)
        for theirs in self._rng.sample([*of_users.values()], min(_USERS_AGAIN, len(of_users))):
            held = self._rng.sample(theirs, min(_HELD, len(theirs)))
            # What is old of a user may become true of them once more.
            becomes_again = self._rng.random() < _BECOMES_AGAIN_SHARE
            for each in self._rng.choices(held, k=2 * _HELD):
                if self._rng.random() < 1 / _BURST:
                    await asyncio.sleep(self._rng.uniform(0, 2))
                self._write_again(each)
                if becomes_again:
                    await self._write_new(USER_UPDATE.name, each.user, as_before=each.said)

    async def _write_new(
        self, topic: str, user: str, *, as_before: str | None = None, may_be_refused: bool = True
    ) -> None:
        await self._until_written()
        plan = self._evidence.plan
        may_be_refused = may_be_refused and not plan.routers
        is_refused = may_be_refused and self._rng.random() < plan.refused_share
        place = self._place(user)
        written_to = RAW.name if plan.routers else topic
        partition = await self._open(written_to, place)
        record = self._record(topic, user, is_refused=is_refused)
        what = self._raw(record, as_before) if plan.routers else _encoded(user, record)
        offset = self._append(partition, what)
        if plan.routers:
            self._service.names[place, offset] = record.id
        self._evidence.written.append(
            Written(topic, place, offset, user, record.id, self._loop.now_s, is_refused)
        )
        said = self._profiles.get(user)
        self._earlier.append(_Earlier(place, offset, partition, what, user, said))

    def _write_again(self, earlier: "_Earlier") -> None:
        if self._evidence.plan.routers:
            # By mParticle, to where its user is by now.
            place, names = self._place(earlier.user), self._service.names
            offset = self._append(self._kafka.topics[RAW.name][place], earlier.what)
            names[place, offset] = names[earlier.place, earlier.offset]
        elif not earlier.partition.is_closed:
            self._append(earlier.partition, earlier.what)

    async def _transact(self, number: int) -> None:
        """Writes some events that are visible together, or never; others write meanwhile."""
        await asyncio.sleep(self._rng.uniform(0, self._evidence.plan.seconds))
        await self._until_written()
        user, producer = f"t{number}", _FIRST_PRODUCER + number
        place = self._place(user)
        partition = await self._open(EVENTS.name, place)
        written, disturbed = [], partition.disturbed
        for _ in range(self._rng.randint(1, 3)):
            record = self._record(EVENTS.name, user, is_refused=False)
            what, now_ms = [_encoded(user, record)], self._kafka.now_ms
            written.append((record.id, partition.write_in_transaction(what, now_ms, producer)))
        self._kafka.tell_arrived()
        await asyncio.sleep(self._rng.uniform(0, 3))
        aborts = self._rng.random() < _ABORTED_SHARE or not partition.is_open(producer)
        partition.mark_transaction(producer, self._kafka.now_ms, aborts=aborts)
        self._kafka.tell_arrived()
        if aborts:
            self._evidence.aborted.update(id_ for id_, _ in written)
            return
        if partition.disturbed > disturbed:
            self._evidence.excused.update(id_ for id_, _ in written)
        at_s = self._loop.now_s
        self._evidence.written += (
            Written(EVENTS.name, place, offset, user, id_, at_s, is_refused=False)
            for id_, offset in written
        )

    async def _until_written(self) -> None:
        while not self._evidence.is_writing:  # noqa: ASYNC110 - simulated time
            await asyncio.sleep(0.1)

    def _place(self, user: str) -> int:
        # All topics by user are to have as many: the partitions that all have by now.
        topics = [RAW] if self._evidence.plan.routers else BY_USER
        there_are = min(len(self._kafka.topics[topic.name]) for topic in topics)
        every = [*range(self._evidence.heard_of or there_are)]
        place: int = self._partitioner(user.encode(), every, every)
        return place

    async def _open(self, topic: str, place: int) -> Partition:
        partition = self._kafka.topics[topic][place]
        while partition.is_closed:  # noqa: ASYNC110 - simulated time
            await asyncio.sleep(0.1)
        return partition

    def _append(self, partition: Partition, what: ToWrite) -> int:
        is_marked = self._rng.random() < self._evidence.plan.marked_share
        is_before = is_marked and self._rng.random() < 1 / 2
        # As after a transaction: an offset that no record has. One that stands before a record is a
        # gap at the head for whoever has read all.
        if is_before:
            partition.mark_transaction(_FIRST_PRODUCER - 1, self._kafka.now_ms, aborts=False)
        offset = partition.write([what], self._kafka.now_ms)
        if is_marked and not is_before:
            partition.mark_transaction(_FIRST_PRODUCER - 1, self._kafka.now_ms, aborts=False)
        self._kafka.tell_arrived()
        return offset

    def _record(self, topic: str, user: str, *, is_refused: bool) -> Record:
        number, self._made = self._made, self._made + 1
        shared: dict[str, Any] = {
            "id": f"{user}/{number}",
            "mpid": user,
            "received_at_ms": self._kafka.now_ms,
            "raw": RawPosition(topic="mparticle-raw", partition=0, offset=number, index=0),
        }
        if topic == EVENTS.name:
            name = REFUSED if is_refused else "seen"
            return Event(kind="custom_event", name=name, **shared)
        said = {REFUSED: "1"} if is_refused else {SAID: shared["id"]}
        return AttributesChanged(attributes=said, **shared)

    def _raw(self, record: Record, as_before: str | None) -> ToWrite:
        """As mParticle sends it: what the user is, and what happened."""
        # No two at once: by their times it is told which of them is newer.
        self._sent_ms = max(record.received_at_ms - _SENT_MS_BEFORE, self._sent_ms + 1)
        user, at_ms = record.mpid or "", str(self._sent_ms)
        events = []
        data: dict[str, Any]
        if isinstance(record, Event):
            data = {"event_name": record.name, "custom_event_type": "other", "id": record.id}
            events.append(("custom_event", data))
        else:
            said = self._profiles[user] = self._to_say(user, record.id, as_before)
            if as_before is None and self._rng.random() < _TOLD_BY_EVENTS_SHARE:
                data = {"user_attribute_name": SAID, "new": said, "deleted": False}
                events.append(("user_attribute_change", data))
        batch = {
            "mpid": user,
            "environment": "production",
            "message_id": record.id,
            "timestamp_unixtime_ms": at_ms,
            "user_attributes": {SAID: self._profiles[user]} if user in self._profiles else {},
            "events": [
                {"event_type": kind, "data": data | {"event_id": 1, "timestamp_unixtime_ms": at_ms}}
                for kind, data in events
            ],
        }
        return user.encode(), orjson.dumps(batch), []

    def _to_say(self, user: str, new: str, as_before: str | None) -> str:
        """Mostly something new; or what was said before, and is so no longer."""
        now = self._profiles.get(user)
        before = [each for each in self._said[user] if each != now]
        if as_before in before:
            said = as_before
        elif before and self._rng.random() < _AS_BEFORE_SHARE:
            said = self._rng.choice(before)
        else:
            said = new
            self._said[user].append(new)
        self._service.says[new] = said
        return said


def _encoded(user: str, record: Record) -> ToWrite:
    _, key, value, headers = written(record)
    return key, value, headers
