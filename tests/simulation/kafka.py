"""A Kafka of a few brokers in memory, which speaks its protocol to unmodified aiokafka.

What is answered is held against a real broker by `test_conformance.py`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from random import Random
from typing import Any, NamedTuple

from tests.simulation import wire
from tests.simulation.groups import LOADING, NO_ERROR, NOT_COORDINATOR, Group
from tests.simulation.log import NOT_LEADER, Partition
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Inbound

CLUSTER = "simulated"
UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, TOPIC_REFUSED = 3, 5, 29
_LATEST, _EARLIEST = -1, -2
# The newest of each that does not need tagged fields.
_SERVED = {
    0: (3, 7), 1: (4, 4), 2: (2, 3), 3: (0, 8), 8: (2, 3), 9: (3, 3), 10: (0, 1), 11: (5, 5),
    12: (0, 1), 13: (0, 1), 14: (3, 3), 15: (0, 3), 16: (0, 1), 18: (0, 2), 22: (0, 0), 32: (0, 1),
}  # fmt: skip


# A bit for each operation, all of them granted.
_ALL_RIGHTS = 0b1111_1111_1000
_TO_READ = 0b1000
_WITH_OFFLINE_REPLICAS, _WITH_LEADER_EPOCH, _WITH_RIGHTS = 5, 7, 8


class Asked(NamedTuple):
    """Who asks, by their client id and process, and which broker."""

    client: str
    broker: int
    process: str


def address(broker: int) -> str:
    return f"broker-{broker}"


class Kafka:
    """Topics, groups, and what a story does to them."""

    def __init__(self, loop: SimulatedLoop, rng: Random, brokers: int = 1) -> None:
        self.loop = loop
        self._rng = rng
        self.brokers = range(brokers)
        # Brokers that the others have given up on, and that do not lead.
        self.fenced: set[int] = set()
        self.coordinator = 0
        # What happens to requests for a while: how long they take at most, of reads by the broker
        # that is asked, and what commits get.
        self.reads_take_s: dict[int, float] = {}
        self.commits_take_s = 0.0
        self.commits_get = NO_ERROR
        # Topics that its users may not read for a while, though they may see them.
        self.may_not_read: set[str] = set()
        self.topics: dict[str, list[Partition]] = {}
        self.configs: dict[str, dict[str, str]] = defaultdict(dict)
        self.groups: dict[str, Group] = {}
        # The time until which it says of all groups that it still reads them from its log.
        self.loading_until = 0.0
        self._producers = 0
        # Fetches that wait for something to read.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._handlers: Mapping[int, Callable[[Any, Asked], Awaitable[tuple[Any, ...]]]] = {
            0: self._produce, 1: self._fetch, 2: self._list_offsets, 3: self._metadata,
            8: self._commit, 9: self._fetch_offsets, 10: self._find_coordinator, 11: self._join,
            12: self._heartbeat, 13: self._leave, 14: self._sync, 15: self._describe_groups,
            18: self._api_versions, 22: self._init_producer, 32: self._describe_configs,
        }  # fmt: skip

    def create(self, topic: str, partitions: int, **configs: str) -> None:
        there = self.topics.setdefault(topic, [])
        there += [Partition(leader=self._rng.choice(self.brokers)) for _ in range(partitions)]
        self.configs[topic] |= configs

    def partition(self, topic: str, number: int) -> Partition | None:
        there = self.topics.get(topic, ())
        return there[number] if number < len(there) else None

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name, self.loop))

    @property
    def now_ms(self) -> int:
        return int(self.loop.wall_s * 1000)

    def tell_arrived(self) -> None:
        """Tells waiting fetches that something was written."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    # -- brokers

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{address(each)}:9092" for each in self.brokers)

    def fail_over(self, broker: int, loading_s: float) -> None:
        """The others find that a broker is gone: what it led has other leaders."""
        if others := [each for each in self.brokers if each not in self.fenced | {broker}]:
            self.fenced.add(broker)
            for partitions in self.topics.values():
                for partition in partitions:
                    if partition.leader == broker:
                        partition.led_by(self._rng.choice(others))
            if self.coordinator == broker:
                self.move_coordinator(self._rng.choice(others), loading_s)
            self.tell_arrived()

    def move_coordinator(self, broker: int, loading_s: float) -> None:
        """Groups go to another broker, or come again with their own.

        Joins are forgotten there, and members and offsets are read from the log first.
        """
        self.coordinator = broker
        self.loading_until = self.loop.now_s + loading_s
        for group in self.groups.values():
            group.restart()

    # -- the wire

    async def serve(self, connection: Inbound, host: str) -> None:
        """Answers one connection's requests in their order, one at a time, as Kafka does."""
        broker = next(each for each in self.brokers if address(each) == host)
        while (frame := await connection.frames.get()) is not None:
            correlation, client, request = wire.decode(frame)
            answer = await self._handlers[request.API_KEY](
                request, Asked(client, broker, connection.process)
            )
            if request.API_KEY == 0 and not request.required_acks:
                continue
            connection.write(wire.encode(correlation, request, answer))

    async def _api_versions(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del asked
        versions = [(key, *bounds) for key, bounds in _SERVED.items()]
        return (NO_ERROR, versions) if request.API_VERSION == 0 else (NO_ERROR, versions, 0)

    async def _metadata(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del asked
        names = request.topics
        is_all = names is None or (request.API_VERSION == 0 and not names)
        topics = [
            self._described(name, request.API_VERSION)
            for name in (self.topics if is_all else names)
        ]
        brokers = [(each, address(each), 9092) for each in self.brokers if each not in self.fenced]
        if request.API_VERSION == 0:
            return brokers, topics
        # Not None, whose hash another process has otherwise: aiokafka has sets of brokers.
        racked = [(*each, f"rack-{each[0]}") for each in brokers]
        if request.API_VERSION == 1:
            return racked, 0, topics
        body = (racked, CLUSTER, 0, topics)
        if request.API_VERSION == 2:
            return body
        rights = (_ALL_RIGHTS,) if request.API_VERSION >= _WITH_RIGHTS else ()
        return (0, *body, *rights)

    def _described(self, name: str, version: int) -> tuple[Any, ...]:
        there = self.topics.get(name)
        partitions = [
            self._partition_described(number, each, version)
            for number, each in enumerate(there or ())
        ]
        error = NO_ERROR if there is not None else UNKNOWN_TOPIC
        if version == 0:
            return error, name, partitions
        granted = _ALL_RIGHTS & ~_TO_READ if name in self.may_not_read else _ALL_RIGHTS
        rights = (granted,) if version >= _WITH_RIGHTS else ()
        return error, name, False, partitions, *rights

    def _partition_described(self, number: int, there: Partition, version: int) -> tuple[Any, ...]:
        error, replicas = NO_ERROR, list(self.brokers)
        leader = -1 if there.known_leader is None else there.known_leader
        in_sync = [each for each in replicas if each not in self.fenced]
        if leader < 0:
            error, in_sync = LEADER_NOT_AVAILABLE, []
        epoch = (0,) if version >= _WITH_LEADER_EPOCH else ()
        offline: tuple[list[int], ...] = ([],) if version >= _WITH_OFFLINE_REPLICAS else ()
        return error, number, leader, *epoch, replicas, in_sync, *offline

    # -- logs

    async def _produce(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        # A disk, and followers.
        await asyncio.sleep(self._rng.uniform(0, 0.003))
        answers = []
        for topic, partitions in request.topics:
            written = []
            for number, batch in partitions:
                partition = self.partition(topic, number)
                if partition is None:
                    code, offset = UNKNOWN_TOPIC, -1
                elif partition.leader != asked.broker:
                    code, offset = NOT_LEADER, -1
                else:
                    code, offset = partition.append(batch, self.now_ms)
                start = partition.start if partition is not None else -1
                answer = (number, code, offset, -1)
                written.append(answer if request.API_VERSION < 5 else (*answer, start))
            answers.append((topic, written))
        self.tell_arrived()
        return answers, 0

    async def _fetch(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        until = self.loop.now_s + request.max_wait_time / 1000
        request, refused = self._may_read(request)
        await self._find_on_disk(asked.broker)
        while (
            request.topics and not self._has_any(request, asked.broker) and self.loop.now_s < until
        ):
            waiting = self.loop.create_future()
            self._waiting[waiting] = None
            timer = self.loop.call_at(until, _settle, waiting)
            await waiting
            timer.cancel()
            self._waiting.pop(waiting, None)
        return 0, [*self._read(request, asked.broker), *refused]

    def _may_read(self, request: Any) -> tuple[Any, list[tuple[str, list[tuple[Any, ...]]]]]:
        """What is asked for and may be read, which is looked at before it waits; and refusals."""
        if not self.may_not_read:
            return request, []
        allowed = copy(request)
        allowed.topics = [each for each in request.topics if each[0] not in self.may_not_read]
        refused = [
            (topic, [(number, TOPIC_REFUSED, -1, -1, None, b"") for number, *_ in partitions])
            for topic, partitions in request.topics
            if topic in self.may_not_read
        ]
        return allowed, refused

    async def _find_on_disk(self, broker: int) -> None:
        if most_s := self.reads_take_s.get(broker):
            await asyncio.sleep(self._rng.uniform(0, most_s))

    def _has_any(self, request: Any, broker: int) -> bool:
        """Whether there is something to answer at once: records, or an error."""
        return any(
            (partition := self.partition(topic, number)) is None
            or partition.leader != broker
            or not partition.start <= offset <= partition.end
            or offset < partition.readable(committed=bool(request.isolation_level))
            for topic, partitions in request.topics
            for number, offset, _ in partitions
        )

    def _read(self, request: Any, broker: int) -> list[tuple[str, list[tuple[Any, ...]]]]:
        left, committed = request.max_bytes, bool(request.isolation_level)
        answers = []
        for topic, partitions in request.topics:
            read: list[tuple[Any, ...]] = []
            for number, offset, most in partitions:
                partition = self.partition(topic, number)
                if partition is None or partition.leader != broker:
                    code = UNKNOWN_TOPIC if partition is None else NOT_LEADER
                    read.append((number, code, -1, -1, None, b""))
                    continue
                code, data = (
                    partition.read(offset, min(most, left), committed=committed)
                    if left > 0
                    else (NO_ERROR, b"")
                )
                left -= len(data)
                aborted = partition.aborted_since(offset) if committed else None
                stable = partition.readable(committed=True)
                read.append((number, code, partition.end, stable, aborted, data))
            answers.append((topic, read))
        return answers

    async def _list_offsets(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        await self._find_on_disk(asked.broker)
        answers = []
        for topic, partitions in request.topics:
            told = []
            for number, timestamp in partitions:
                partition = self.partition(topic, number)
                if partition is None:
                    told.append((number, UNKNOWN_TOPIC, -1, -1))
                elif partition.leader != asked.broker:
                    told.append((number, NOT_LEADER, -1, -1))
                elif timestamp == _LATEST:
                    end = partition.readable(committed=bool(request.isolation_level))
                    told.append((number, NO_ERROR, -1, end))
                elif timestamp == _EARLIEST:
                    told.append((number, NO_ERROR, -1, partition.start))
                else:
                    told.append((number, NO_ERROR, *partition.offset_at(timestamp)))
            answers.append((topic, told))
        return 0, answers

    async def _init_producer(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del request, asked
        self._producers += 1
        return 0, NO_ERROR, self._producers, 0

    async def _describe_configs(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del asked
        resources = []
        for kind, name, wanted in request.resources:
            entries: list[tuple[Any, ...]] = []
            values = {"max.message.bytes": "1048588", "cleanup.policy": "delete"} | self.configs[
                name
            ]
            for config, value in values.items():
                if wanted is None or config in wanted:
                    entry: tuple[Any, ...] = (config, value, False)
                    is_default = config not in self.configs[name]
                    entries.append(
                        (*entry, is_default, False)
                        if request.API_VERSION == 0
                        else (*entry, 5 if is_default else 1, False, [])
                    )
            resources.append((NO_ERROR, None, kind, name, entries))
        return 0, resources

    # -- groups

    def _refusal(self, asked: Asked) -> int:
        """Why a broker says nothing about groups, if it does not."""
        if asked.broker != self.coordinator:
            return NOT_COORDINATOR
        return LOADING if self.loop.now_s < self.loading_until else NO_ERROR

    async def _find_coordinator(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del asked
        at = self.coordinator, address(self.coordinator), 9092
        return (NO_ERROR, *at) if request.API_VERSION == 0 else (0, NO_ERROR, None, *at)

    async def _join(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        if refusal := self._refusal(asked):
            return 0, refusal, -1, "", "", request.member_id, []
        joined = await self.group(request.group).join(
            request.to_object(), asked.client or "member", asked.process
        )
        return (
            0,
            joined.error,
            joined.generation,
            joined.protocol,
            joined.leader,
            joined.member,
            list(joined.members),
        )

    async def _sync(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        if refusal := self._refusal(asked):
            return 0, refusal, b""
        return 0, *await self.group(request.group).sync(request.to_object())

    async def _heartbeat(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        error = self._refusal(asked)
        if error == LOADING:
            # It says yes to every heartbeat (GroupCoordinatorService.heartbeat).
            error = NO_ERROR
        elif not error:
            error = self.group(request.group).heartbeat(request.member_id, request.generation_id)
        return (error,) if request.API_VERSION == 0 else (0, error)

    async def _leave(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        error = self._refusal(asked) or self.group(request.group).leave(request.member_id)
        return (error,) if request.API_VERSION == 0 else (0, error)

    async def _commit(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        self.group(request.consumer_group).look_at_commit(request.to_object(), asked.process)
        await asyncio.sleep(self._rng.uniform(0, self.commits_take_s))
        errors: int | dict[tuple[str, int], int] = self._refusal(asked) or self.commits_get
        if not errors:
            offered = request.to_object()
            offered["topics"] = [
                each for each in offered["topics"] if each["topic"] not in self.may_not_read
            ]
            errors = self.group(request.consumer_group).commit(offered)
        codes, otherwise = ({}, errors) if isinstance(errors, int) else (errors, TOPIC_REFUSED)
        answers = [
            (
                topic,
                [(each[0], codes.get((topic, each[0]), otherwise)) for each in partitions],
            )
            for topic, partitions in request.topics
        ]
        return (answers,) if request.API_VERSION == 2 else (0, answers)

    async def _fetch_offsets(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        if refusal := self._refusal(asked):
            return 0, [], refusal
        known = self.group(request.consumer_group).offsets
        answers = [
            (
                topic,
                [(number, *known.get((topic, number), (-1, "")), NO_ERROR) for number in numbers],
            )
            for topic, numbers in request.topics
        ]
        return 0, answers, NO_ERROR

    async def _describe_groups(self, request: Any, asked: Asked) -> tuple[Any, ...]:
        del asked
        told: list[tuple[Any, ...]] = []
        for name in request.groups:
            group = self.group(name)
            members = [(each.id, "", "", b"", each.assignment) for each in group.members.values()]
            rights = (_ALL_RIGHTS,) if request.API_VERSION == 3 else ()
            told.append((NO_ERROR, name, group.state, "consumer", group.protocol, members, *rights))
        return (told,) if request.API_VERSION == 0 else (0, told)


def _settle(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
