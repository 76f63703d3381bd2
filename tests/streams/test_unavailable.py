"""Who reads tables and pasts waits for partitions that do not answer, and /ready names these."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.protocol.offset import OffsetRequest_v3

from streams import clocks
from streams.engine.startup import read_begins
from streams.kafka import clients, log_bounds, ranges, tables
from streams.kafka.buffered_records import Fetched
from streams.kafka.ranges import Range
from streams.kafka.tables import FollowedTable
from streams.kafka.unavailable import UNAVAILABLE
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES
from tests.streams.delivery import simulated_time

FIRST, SECOND = (TopicPartition(AUDIENCES.name, number) for number in range(2))
_WORD = "LeaderNotAvailableError"
_EARLIEST, _LATEST = -2, -1
_NONE = -1


class Log:
    """Two partitions as aiokafka's consumer has them, and its client."""

    _isolation_level = "read_committed"

    def __init__(self, **ends: int) -> None:
        self.ends = {FIRST: ends.get("first", 0), SECOND: ends.get("second", 0)}
        self.led = {FIRST, SECOND}
        self.at = dict.fromkeys(self.ends, 0)
        self.cluster = self._client = self
        self._answers = 0
        self._then: tuple[int, Callable[[], object]] | None = None

    def after_answers(self, count: int, happens: Callable[[], object]) -> None:
        self._then = count, happens

    # -- the client

    def leader_for_partition(self, tp: TopicPartition) -> int:
        return 1 if tp in self.led else -1

    async def send(self, _node: int, request: Any) -> Any:
        """Answers where logs begin and end, and what stands at a time: N at N milliseconds."""
        answers = defaultdict[str, list[tuple[int, int, int, int]]](list)
        for topic, partitions in request.build(OffsetRequest_v3).topics:
            for number, timestamp in partitions:
                end = self.ends[TopicPartition(topic, number)]
                offset = {_EARLIEST: 0, _LATEST: end}.get(timestamp, timestamp)
                offset = offset if offset < end or timestamp == _LATEST else _NONE
                answers[topic].append((number, 0, -1, offset))
        self._answers += 1
        if self._then is not None and self._answers == self._then[0]:
            self._then[1]()
        return SimpleNamespace(topics=list(answers.items()))

    def force_metadata_update(self) -> None:
        """It knows who leads."""

    # -- the consumer

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.ends)

    def assign(self, _tps: object) -> None:
        """It has both from the beginning."""

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.at[tp]

    async def fetch(self, tps: Collection[TopicPartition], seconds: float) -> Fetched:
        for tp in self.ends:
            if tp in tps and tp in self.led and self.at[tp] < self.ends[tp]:
                self.at[tp] += 1
                record: Any = SimpleNamespace(partition=tp.partition, offset=self.at[tp] - 1)
                return Fetched({tp: [record]}, self.at)
        await asyncio.sleep(seconds)
        return Fetched({}, self.at)


async def fetch(
    log: Log, tps: Collection[TopicPartition], seconds: float, most: int = 1
) -> Fetched:
    """As the product's own, which reads what aiokafka keeps."""
    assert most
    return await log.fetch(tps, seconds)


@pytest.fixture(autouse=True)
def simulated_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "monotonic", simulated_time.now)


async def later(seconds: float, happens: Callable[[], object]) -> Mapping[TopicPartition, str]:
    """What is named just before something happens."""
    await asyncio.sleep(seconds)
    named = dict(UNAVAILABLE.found)
    happens()
    return named


def test_where_a_log_ends_is_asked_until_it_answers_and_named_meanwhile() -> None:
    async def story() -> None:
        log: Any = Log(first=3, second=5)
        log.led.discard(FIRST)
        named, there = await asyncio.gather(
            later(3600, lambda: log.led.add(FIRST)), log_bounds.learn(log, [FIRST, SECOND])
        )
        assert named == {FIRST: _WORD}
        assert {tp: each.end for tp, each in there.items()} == {FIRST: 3, SECOND: 5}
        assert UNAVAILABLE.found == {}

    simulated_time.run(story())


def test_what_stands_at_a_time_is_asked_of_each_partition_until_it_answers() -> None:
    async def story() -> None:
        log: Any = Log(first=3, second=5)
        log.led.discard(FIRST)
        named, there = await asyncio.gather(
            later(3600, lambda: log.led.add(FIRST)), log_bounds.learn_at(log, [FIRST, SECOND], 4)
        )
        assert named == {FIRST: _WORD}
        assert there == {FIRST: None, SECOND: 4}
        assert await log_bounds.learn_at(log, [FIRST], -1) == {FIRST: 0}

    simulated_time.run(story())


def test_a_group_begins_at_a_time_also_where_a_leader_goes_meanwhile() -> None:
    """Aiokafka gave up on all partitions after its patience, and the worker with it."""

    async def story() -> Mapping[TopicPartition, int]:
        log: Any = Log(first=3, second=5)
        log.after_answers(3, lambda: log.led.discard(FIRST))
        asyncio.get_running_loop().call_later(3600, log.led.add, FIRST)
        at = datetime.fromtimestamp(0.004, UTC)
        return await read_begins(log, [FIRST, SECOND], at)

    assert simulated_time.run(story()) == {FIRST: 3, SECOND: 4}


def test_who_gives_up_says_so_themselves() -> None:
    async def story() -> None:
        log: Any = Log()
        log.led.discard(FIRST)

        async def give_up() -> None:
            with pytest.raises(LeaderNotAvailableError):
                await log_bounds.learn_readable(log, [FIRST], patience_s=5.0)

        named, _ = await asyncio.gather(later(3, list), give_up())
        assert named == {}
        assert simulated_time.now() < 10

    simulated_time.run(story())


def test_a_range_whose_leader_goes_is_named_until_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges, "fetch", fetch)

    async def story() -> None:
        log: Any = Log(first=2)

        async def read() -> list[int]:
            found = ranges.read(KafkaSettings(), log, [Range(FIRST, 0, 2)])
            offsets = []
            async for _, records in found:
                offsets += [each.offset for each in records]
                if len(offsets) == 1:
                    log.led.discard(FIRST)
            return offsets

        named, offsets = await asyncio.gather(later(60, lambda: log.led.add(FIRST)), read())
        assert named == {FIRST: _WORD}
        assert offsets == [0, 1]
        assert UNAVAILABLE.found == {}

    simulated_time.run(story())


@pytest.mark.parametrize("is_asked_first", [True, False])
def test_a_table_tells_of_what_answers_and_is_whole_when_all_has(
    monkeypatch: pytest.MonkeyPatch, *, is_asked_first: bool
) -> None:
    """A leader is away from the start, or goes when it has said where its partition ends."""

    async def story() -> None:
        log: Any = Log(first=1, second=1)
        told: list[int] = []

        @asynccontextmanager
        async def consumer(*_: object) -> AsyncIterator[Any]:
            yield log

        monkeypatch.setattr(clients, "consumer", consumer)
        monkeypatch.setattr(tables, "fetch", fetch)

        def tell(record: Any) -> None:
            told.append(record.partition)
            log.led.discard(FIRST)

        if is_asked_first:
            # It is read after the other.
            log.ends = {SECOND: 1, FIRST: 1}
        else:
            log.led.discard(FIRST)
        table = FollowedTable(KafkaSettings(), AUDIENCES, tell)
        following = asyncio.create_task(table.run())
        named = await later(3600, lambda: log.led.add(FIRST))
        assert (named, told) == ({FIRST: _WORD}, [SECOND.partition])
        await table.whole()
        assert told == [SECOND.partition, FIRST.partition]
        assert UNAVAILABLE.found == {}
        following.cancel()

    simulated_time.run(story())


def test_what_was_written_to_a_table_is_named_while_it_cannot_be_read_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        log: Any = Log()

        @asynccontextmanager
        async def consumer(*_: object) -> AsyncIterator[Any]:
            yield log

        monkeypatch.setattr(clients, "consumer", consumer)
        monkeypatch.setattr(tables, "fetch", fetch)
        table = FollowedTable(KafkaSettings(), AUDIENCES, lambda _: None)
        following = asyncio.create_task(table.run())
        await table.whole()
        log.ends[FIRST] = 1
        log.led.discard(FIRST)
        named, _ = await asyncio.gather(
            later(3600, lambda: log.led.add(FIRST)), table.wait_for(FIRST.partition, 0)
        )
        assert named == {FIRST: _WORD}
        following.cancel()

    simulated_time.run(story())
