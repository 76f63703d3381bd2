"""Asks where partitions begin and end: each answers for itself, or says why not."""

import asyncio
import math
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.offset import OffsetRequest

from streams import clocks
from streams.kafka.unavailable import UNAVAILABLE

_EARLIEST: Final = -2
_LATEST: Final = -1
_NONE: Final = -1
_UNCOMMITTED: Final = 0
_COMMITTED: Final = 1
# A node that does not answer must not hold up what others have answered.
_NODE_SECONDS = 5.0
_AGAIN_SECONDS = 1.0

T = TypeVar("T")
P = TypeVar("P", bound=tuple[str, int])
_Ask: TypeAlias = Callable[
    [Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, T | KafkaError]]
]


class Bounds(NamedTuple):
    """The offsets that Kafka has of a partition: from `first` to before `end`.

    `readable` is where whoever reads committed records has to stop for now, which is before the end
    while a transaction is open.
    """

    first: int
    end: int
    readable: int


async def look(
    consumer: AIOKafkaConsumer,
    tps: Collection[TopicPartition],
    unavailable: dict[TopicPartition, str],
) -> Mapping[TopicPartition, Bounds]:
    """Asks once; `unavailable` then has those that did not answer, and nothing else."""
    answers = await ask(consumer, tps, committed=_reads_committed(consumer))
    unavailable.clear()
    return answered(answers, unavailable)


async def learn(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], *, patience_s: float = math.inf
) -> Mapping[TopicPartition, Bounds]:
    """Asks until all have answered; /ready names the others meanwhile.

    Where the patience is not without end, nobody is told: it raises a partition's error in the end.
    """
    committed = _reads_committed(consumer)
    return await _each(lambda left: ask(consumer, left, committed=committed), tps, patience_s)


async def learn_readable(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], *, patience_s: float = math.inf
) -> Mapping[TopicPartition, int]:
    """The same for where the consumer would have to stop for now: one question instead of three."""
    isolation = _isolation(consumer)
    return await _each(lambda left: _offsets(consumer, left, _LATEST, isolation), tps, patience_s)


async def learn_at(
    consumer: AIOKafkaConsumer,
    tps: Iterable[TopicPartition],
    at_ms: int,
    *,
    patience_s: float = math.inf,
) -> Mapping[TopicPartition, int | None]:
    """The same for the first record of a time or later (milliseconds since 1970): None without one.

    aiokafka's own asks for all or nothing, as `ask` says.
    """
    # What is before 1970 would be one of Kafka's own marks.
    asked = max(0, at_ms)
    isolation = _isolation(consumer)
    found = await _each(lambda left: _offsets(consumer, left, asked, isolation), tps, patience_s)
    return {tp: None if offset == _NONE else offset for tp, offset in found.items()}


def learning(
    consumer: AIOKafkaConsumer, groups: Sequence[Collection[TopicPartition]]
) -> AsyncGenerator[tuple[int, Mapping[TopicPartition, Bounds]], None]:
    """Yields the number of each group once all its partitions answer at once, and their bounds.

    One without a leader holds up no other group; /ready names it meanwhile.
    """
    committed = _reads_committed(consumer)
    return _answering(lambda left: ask(consumer, left, committed=committed), groups)


async def _each(
    ask_for: _Ask[T], tps: Iterable[TopicPartition], patience_s: float
) -> Mapping[TopicPartition, T]:
    """Has every partition answer for itself."""
    answering = _answering(ask_for, [{tp} for tp in tps], patience_s)
    return {tp: each async for _, some in answering for tp, each in some.items()}


async def _answering(
    ask_for: _Ask[T], groups: Sequence[Collection[TopicPartition]], patience_s: float = math.inf
) -> AsyncGenerator[tuple[int, Mapping[TopicPartition, T]], None]:
    left = dict(enumerate(groups))
    until = clocks.monotonic() + patience_s
    with UNAVAILABLE.naming() as named:
        unavailable = named if math.isinf(patience_s) else {}
        while left:
            answers = await ask_for({tp for group in left.values() for tp in group})
            there = answered(answers, unavailable)
            able = [number for number, group in left.items() if there.keys() >= set(group)]
            for number in able:
                yield number, {tp: there[tp] for tp in left.pop(number)}
            if left and clocks.monotonic() >= until:
                raise next(each for each in answers.values() if isinstance(each, KafkaError))
            if left:
                await asyncio.sleep(_AGAIN_SECONDS)


def answered(answers: Mapping[P, T | KafkaError], unavailable: dict[P, str]) -> Mapping[P, T]:
    """Returns what has answered; notes the others as not available, with Kafka's own word for why.

    Those that have answered are not named any more.
    """
    there = {}
    for tp, answer in answers.items():
        if isinstance(answer, KafkaError):
            unavailable[tp] = type(answer).__name__
        else:
            unavailable.pop(tp, None)
            there[tp] = answer
    return there


def _isolation(consumer: AIOKafkaConsumer) -> int:
    return _COMMITTED if _reads_committed(consumer) else _UNCOMMITTED


def _reads_committed(consumer: AIOKafkaConsumer) -> bool:
    return bool(consumer._isolation_level == "read_committed")  # noqa: SLF001 - guarded by a test


async def ask(
    consumer: AIOKafkaConsumer, tps: Collection[TopicPartition], *, committed: bool
) -> Mapping[TopicPartition, Bounds | KafkaError]:
    """Asks once, for all partitions at once; an error is that of its partition alone.

    aiokafka's own asks for all or nothing: one partition without a leader keeps it trying until it
    gives up on all (aiokafka 0.14, Fetcher._proc_offset_requests). Runs in the consumer's loop.
    """
    # Side by side: one after the other they would be twice as long on a broker that is frozen.
    first, end, readable = await asyncio.gather(
        _offsets(consumer, tps, _EARLIEST, _UNCOMMITTED),
        _offsets(consumer, tps, _LATEST, _UNCOMMITTED),
        _offsets(consumer, tps, _LATEST, _COMMITTED if committed else _UNCOMMITTED),
    )
    answers: dict[TopicPartition, Bounds | KafkaError] = {}
    for tp in tps:
        of = first[tp], end[tp], readable[tp]
        error = next((each for each in of if isinstance(each, KafkaError)), None)
        answers[tp] = error or Bounds(*(each for each in of if isinstance(each, int)))
    return answers


async def _offsets(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], at: int, isolation: int
) -> Mapping[TopicPartition, int | KafkaError]:
    client: Any = consumer._client  # noqa: SLF001 - guarded by a test
    by_node = defaultdict[int, list[TopicPartition]](list)
    found: dict[TopicPartition, int | KafkaError] = {}
    for tp in tps:
        leader = client.cluster.leader_for_partition(tp)
        if leader is None:
            # A client that reads some topics is not told of others until it asks.
            client.add_topic(tp.topic)
        if leader is None or leader < 0:
            found[tp] = LeaderNotAvailableError()
        else:
            by_node[leader].append(tp)
    of_nodes = (_of_node(client, node, own, at, isolation) for node, own in by_node.items())
    for answer in await asyncio.gather(*of_nodes):
        found |= answer
    if any(isinstance(each, KafkaError) for each in found.values()):
        client.force_metadata_update()
    return found


async def _of_node(
    client: Any, node: int, tps: Iterable[TopicPartition], at: int, isolation: int
) -> Mapping[TopicPartition, int | KafkaError]:
    topics = defaultdict[str, list[tuple[int, int]]](list)
    for tp in tps:
        topics[tp.topic].append((tp.partition, at))
    request = OffsetRequest(-1, isolation, list(topics.items()))
    try:
        async with asyncio.timeout(_NODE_SECONDS):
            try:
                response = await client.send(node, request)
            except KafkaConnectionError:
                # A broker closes what was idle, and what outlived its login
                # (connections.max.reauth.ms), with the next request: it is asked on a new one.
                response = await client.send(node, request)
    except TimeoutError:
        return dict.fromkeys(tps, RequestTimedOutError())
    except KafkaError as error:
        return dict.fromkeys(tps, error)
    return {
        TopicPartition(topic, partition): for_code(code)() if code else offset
        for topic, partitions in response.topics
        for partition, code, _timestamp, offset in partitions
    }
