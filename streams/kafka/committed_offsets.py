"""Reads what a group has committed: all partitions in one call, and with metadata."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.commit_metadata import NOT_BEGUN

_RETRY_SECONDS = 0.1


async def read_committed(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Leaves out what has no offset, or is not begun; waits while Kafka cannot tell.

    aiokafka's own does not look at the answer's error as a whole, by which a coordinator says that
    it still loads, or is none any more. A broker that had just come up again so seemed to know of
    no offsets, and the group began anew (aiokafka 0.14, consumer/group_coordinator.py).
    """
    coordinator: Any = consumer._coordinator  # noqa: SLF001 - guarded by a test, as what is asked of it
    by_topic = defaultdict[str, list[int]](list)
    for tp in partitions:
        by_topic[tp.topic].append(tp.partition)
    while True:
        await coordinator.ensure_coordinator_known()
        request = OffsetFetchRequest(coordinator.group_id, list(by_topic.items()))
        try:
            return _offsets(await coordinator._send_req(request))  # noqa: SLF001 - as above
        except KafkaError as error:
            if not error.retriable:
                raise
            if isinstance(error, NotCoordinatorForGroupError):
                coordinator.coordinator_dead()
        await asyncio.sleep(_RETRY_SECONDS)


def _offsets(answer: Any) -> Mapping[TopicPartition, OffsetAndMetadata]:
    _check(answer.error_code)
    found = {}
    for topic, partitions in answer.topics:
        for partition, offset, metadata, error_code in partitions:
            _check(error_code)
            if offset >= 0 and metadata != NOT_BEGUN:
                found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
    return found


def _check(code: int) -> None:
    if code:
        raise for_code(code)
