"""Asks where partitions begin and end: each answers for itself, or says why not."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    RequestTimedOutError,
    for_code,
)
from aiokafka.protocol.offset import OffsetRequest

_EARLIEST: Final = -2
_LATEST: Final = -1
_UNCOMMITTED: Final = 0
_COMMITTED: Final = 1
# A node that does not answer must not hold up what others have answered.
_NODE_SECONDS = 5.0


class Bounds(NamedTuple):
    """The offsets that Kafka has of a partition: from `first` to before `end`.

    `readable` is where whoever reads committed records has to stop for now, which is before the end
    while a transaction is open.
    """

    first: int
    end: int
    readable: int


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
    if any(isinstance(each, KafkaError) for each in answers.values()):
        client: Any = consumer._client  # noqa: SLF001 - guarded by a test
        client.force_metadata_update()
    return answers


async def _offsets(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], at: int, isolation: int
) -> Mapping[TopicPartition, int | KafkaError]:
    client: Any = consumer._client  # noqa: SLF001 - guarded by a test
    by_node = defaultdict[int, list[TopicPartition]](list)
    found: dict[TopicPartition, int | KafkaError] = {}
    for tp in tps:
        leader = client.cluster.leader_for_partition(tp)
        if leader is None or leader < 0:
            found[tp] = LeaderNotAvailableError()
        else:
            by_node[leader].append(tp)
    of_nodes = (_of_node(client, node, own, at, isolation) for node, own in by_node.items())
    for answer in await asyncio.gather(*of_nodes):
        found |= answer
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
