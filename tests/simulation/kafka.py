"""A Kafka of one broker in memory, which speaks its protocol to unmodified aiokafka.

What is answered is held against a real broker by `test_conformance.py`.
"""

import asyncio
import functools
import io
import marshal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from random import Random
from typing import Any

from aiokafka.protocol.api import RequestHeader_v1, RequestStruct

from tests.simulation.groups import LOADING, NO_ERROR, Group
from tests.simulation.log import NOT_LEADER, Partition
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Inbound

CLUSTER = "simulated"
UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE = 3, 5
_LATEST, _EARLIEST = -1, -2
# The newest of each that does not need tagged fields.
_SERVED = {
    0: (3, 7), 1: (4, 4), 2: (2, 3), 3: (0, 8), 8: (2, 3), 9: (3, 3), 10: (0, 1), 11: (5, 5),
    12: (0, 1), 13: (0, 1), 14: (3, 3), 15: (0, 3), 16: (0, 1), 18: (0, 2), 22: (0, 0), 32: (0, 1),
}  # fmt: skip


def _classes(of: type[Any]) -> Iterator[type[Any]]:
    for each in of.__subclasses__():
        yield each
        yield from _classes(each)


@functools.cache
def _kinds() -> Mapping[tuple[int, int], type[RequestStruct]]:
    """Those of aiokafka, and those that the product adds: they must have been imported by now."""
    return {
        (each.API_KEY, each.API_VERSION): each
        for each in _classes(RequestStruct)
        if not each.FLEXIBLE_VERSION
    }


# Most of what is said has been said before: heartbeats, fetches of nothing, metadata.
_REMEMBERED = 4096


@functools.lru_cache(_REMEMBERED)
def _decode(kind: bytes, rest: bytes) -> tuple[str, Any]:
    """Returns who asks, by their client id, and what; `rest` follows the correlation id."""
    read = io.BytesIO(kind + bytes(4) + rest)
    header = RequestHeader_v1.SCHEMA.decode(read)
    return header[3] or "", _kinds()[header[0], header[1]].decode(read)


@functools.lru_cache(_REMEMBERED)
def _encode(key: int, version: int, answer: bytes) -> bytes:
    encoded: bytes = _kinds()[key, version].RESPONSE_TYPE.SCHEMA.encode(marshal.loads(answer))  # noqa: S302 - ours
    return encoded


# A bit for each operation, all of them granted.
_ALL_RIGHTS = 0b1111_1111_1000
_WITH_OFFLINE_REPLICAS, _WITH_LEADER_EPOCH, _WITH_RIGHTS = 5, 7, 8


class Kafka:
    """Topics, groups, and what a story does to them."""

    def __init__(self, loop: SimulatedLoop, rng: Random) -> None:
        self.loop = loop
        self._rng = rng
        self.topics: dict[str, list[Partition]] = {}
        self.configs: dict[str, dict[str, str]] = defaultdict(dict)
        self.groups: dict[str, Group] = {}
        # The time until which it says of all groups that it still reads them from its log.
        self.loading_until = 0.0
        self._producers = 0
        # Fetches that wait for something to read.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._handlers: Mapping[int, Callable[[Any, str], Awaitable[tuple[Any, ...]]]] = {
            0: self._produce, 1: self._fetch, 2: self._list_offsets, 3: self._metadata,
            8: self._commit, 9: self._fetch_offsets, 10: self._find_coordinator, 11: self._join,
            12: self._heartbeat, 13: self._leave, 14: self._sync, 15: self._describe_groups,
            18: self._api_versions, 22: self._init_producer, 32: self._describe_configs,
        }  # fmt: skip

    def create(self, topic: str, partitions: int, **configs: str) -> None:
        self.topics[topic] = [Partition() for _ in range(partitions)]
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

    def restart(self, loading_s: float) -> None:
        """What a broker's restart does to groups: joins are forgotten, offsets are read again."""
        self.loading_until = self.loop.now_s + loading_s
        for group in self.groups.values():
            group.restart()

    # -- the wire

    async def serve(self, connection: Inbound) -> None:
        """Answers one connection's requests in their order, one at a time, as Kafka does."""
        while (frame := await connection.frames.get()) is not None:
            correlation = frame[4:8]
            client, request = _decode(frame[:4], frame[8:])
            key = request.API_KEY
            answer = await self._handlers[key](request, client)
            if key == 0 and not request.required_acks:
                continue
            encoded = _encode(key, request.API_VERSION, marshal.dumps(answer))
            connection.write(correlation + encoded)

    async def _api_versions(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        versions = [(key, *bounds) for key, bounds in _SERVED.items()]
        return (NO_ERROR, versions) if request.API_VERSION == 0 else (NO_ERROR, versions, 0)

    async def _metadata(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        asked = request.topics
        is_all = asked is None or (request.API_VERSION == 0 and not asked)
        topics = [
            self._described(name, request.API_VERSION)
            for name in (self.topics if is_all else asked)
        ]
        brokers = [(0, "broker", 9092)]
        if request.API_VERSION == 0:
            return brokers, topics
        racked = [(*each, None) for each in brokers]
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
        rights = (_ALL_RIGHTS,) if version >= _WITH_RIGHTS else ()
        return error, name, False, partitions, *rights

    def _partition_described(self, number: int, there: Partition, version: int) -> tuple[Any, ...]:
        error, leader, in_sync = NO_ERROR, 0, [0]
        if not there.has_leader:
            error, leader, in_sync = LEADER_NOT_AVAILABLE, -1, []
        epoch = (0,) if version >= _WITH_LEADER_EPOCH else ()
        offline: tuple[list[int], ...] = ([],) if version >= _WITH_OFFLINE_REPLICAS else ()
        return error, number, leader, *epoch, [0], in_sync, *offline

    # -- logs

    async def _produce(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        # A disk, and followers.
        await asyncio.sleep(self._rng.uniform(0, 0.003))
        answers = []
        for topic, partitions in request.topics:
            written = []
            for number, batch in partitions:
                partition = self.partition(topic, number)
                if partition is None:
                    code, offset = UNKNOWN_TOPIC, -1
                elif not partition.has_leader:
                    code, offset = NOT_LEADER, -1
                else:
                    code, offset = partition.append(batch, self.now_ms)
                start = partition.start if partition is not None else -1
                answer = (number, code, offset, -1)
                written.append(answer if request.API_VERSION < 5 else (*answer, start))
            answers.append((topic, written))
        self.tell_arrived()
        return answers, 0

    async def _fetch(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        until = self.loop.now_s + request.max_wait_time / 1000
        while not self._has_any(request) and self.loop.now_s < until:
            waiting = self.loop.create_future()
            self._waiting[waiting] = None
            timer = self.loop.call_at(until, _settle, waiting)
            await waiting
            timer.cancel()
            self._waiting.pop(waiting, None)
        return 0, self._read(request)

    def _has_any(self, request: Any) -> bool:
        """Whether there is something to answer at once: records, or an error."""
        return any(
            (partition := self.partition(topic, number)) is None
            or not partition.has_leader
            or offset != partition.end
            for topic, partitions in request.topics
            for number, offset, _ in partitions
        )

    def _read(self, request: Any) -> list[tuple[str, list[tuple[Any, ...]]]]:
        left = request.max_bytes
        answers = []
        for topic, partitions in request.topics:
            read: list[tuple[Any, ...]] = []
            for number, offset, most in partitions:
                partition = self.partition(topic, number)
                if partition is None:
                    read.append((number, UNKNOWN_TOPIC, -1, -1, None, b""))
                    continue
                code, data = (
                    partition.read(offset, min(most, left)) if left > 0 else (NO_ERROR, b"")
                )
                left -= len(data)
                aborted = partition.aborted_since(offset) if request.isolation_level else None
                end = partition.end
                read.append((number, code, end, end, aborted, data))
            answers.append((topic, read))
        return answers

    async def _list_offsets(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        answers = []
        for topic, partitions in request.topics:
            told = []
            for number, timestamp in partitions:
                partition = self.partition(topic, number)
                if partition is None:
                    told.append((number, UNKNOWN_TOPIC, -1, -1))
                elif not partition.has_leader:
                    told.append((number, NOT_LEADER, -1, -1))
                elif timestamp == _LATEST:
                    told.append((number, NO_ERROR, -1, partition.end))
                elif timestamp == _EARLIEST:
                    told.append((number, NO_ERROR, -1, partition.start))
                else:
                    told.append((number, NO_ERROR, *partition.offset_at(timestamp)))
            answers.append((topic, told))
        return 0, answers

    async def _init_producer(self, request: Any, client: str) -> tuple[Any, ...]:
        del request, client
        self._producers += 1
        return 0, NO_ERROR, self._producers, 0

    async def _describe_configs(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
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

    @property
    def _is_loading(self) -> bool:
        return self.loop.now_s < self.loading_until

    async def _find_coordinator(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        if request.API_VERSION == 0:
            return NO_ERROR, 0, "broker", 9092
        return 0, NO_ERROR, None, 0, "broker", 9092

    async def _join(self, request: Any, client: str) -> tuple[Any, ...]:
        if self._is_loading:
            return 0, LOADING, -1, "", "", request.member_id, []
        joined = await self.group(request.group).join(request.to_object(), client or "member")
        return (
            0,
            joined.error,
            joined.generation,
            joined.protocol,
            joined.leader,
            joined.member,
            list(joined.members),
        )

    async def _sync(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        if self._is_loading:
            return 0, LOADING, b""
        return 0, *await self.group(request.group).sync(request.to_object())

    async def _heartbeat(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        # While it loads it says yes to every heartbeat (GroupCoordinatorService.heartbeat).
        error = (
            NO_ERROR
            if self._is_loading
            else self.group(request.group).heartbeat(request.member_id, request.generation_id)
        )
        return (error,) if request.API_VERSION == 0 else (0, error)

    async def _leave(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        error = LOADING if self._is_loading else self.group(request.group).leave(request.member_id)
        return (error,) if request.API_VERSION == 0 else (0, error)

    async def _commit(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        await asyncio.sleep(self._rng.uniform(0, 0.003))
        errors: int | dict[tuple[str, int], int] = LOADING
        if not self._is_loading:
            errors = self.group(request.consumer_group).commit(request.to_object())
        answers = [
            (
                topic,
                [
                    (each[0], errors if isinstance(errors, int) else errors[topic, each[0]])
                    for each in partitions
                ],
            )
            for topic, partitions in request.topics
        ]
        return (answers,) if request.API_VERSION == 2 else (0, answers)

    async def _fetch_offsets(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        if self._is_loading:
            return 0, [], LOADING
        known = self.group(request.consumer_group).offsets
        answers = [
            (
                topic,
                [(number, *known.get((topic, number), (-1, "")), NO_ERROR) for number in numbers],
            )
            for topic, numbers in request.topics
        ]
        return 0, answers, NO_ERROR

    async def _describe_groups(self, request: Any, client: str) -> tuple[Any, ...]:
        del client
        told = []
        for name in request.groups:
            group = self.group(name)
            members = [(each.id, "", "", b"", each.assignment) for each in group.members.values()]
            rights = (_ALL_RIGHTS,) if request.API_VERSION == 3 else ()
            told.append((NO_ERROR, name, group.state, "consumer", group.protocol, members, *rights))
        return (told,) if request.API_VERSION == 0 else (0, told)


def _settle(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
