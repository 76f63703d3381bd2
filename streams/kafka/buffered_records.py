"""Takes what aiokafka has fetched, each partition by itself: an error is of one partition alone.

aiokafka's own `fetched_records` does not say of which partition its error is. It loses with it what
it has taken of others by then, and the records that stand before a batch that cannot be unpacked.
"""

import asyncio
import contextlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import ConsumerStoppedError, RecordTooLargeError
from aiokafka.structs import ConsumerRecord, TopicPartition


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records by partition, and of each partition that was asked for where the next fetch begins.

    That is after the last record, or further where Kafka's own marks stand there. What stands there
    cannot be read where `errors` has the partition; `behind` is where the next batch begins, if it
    came with it.
    """

    records: Mapping[TopicPartition, Sequence[ConsumerRecord]] = field(default_factory=dict)
    positions: Mapping[TopicPartition, int] = field(default_factory=dict)
    errors: Mapping[TopicPartition, Exception] = field(default_factory=dict)
    behind: Mapping[TopicPartition, int] = field(default_factory=dict)


async def fetch(
    consumer: Any, active: Collection[TopicPartition], seconds: float, most: int = sys.maxsize
) -> Fetched:
    """Waits so long for something of these partitions, and takes so many records at most.

    Raises ConsumerStoppedError.
    """
    fetcher, subscriptions = consumer._fetcher, consumer._subscription  # noqa: SLF001 - guarded by a test
    if fetcher._closed:  # noqa: SLF001 - as above
        raise ConsumerStoppedError
    fetched = Fetched()
    with subscriptions.fetch_context(), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not fetcher._closed:  # noqa: SLF001 - as above
                if subscriptions.reassignment_in_progress:
                    await subscriptions.wait_for_assignment()
                fetched = _take(consumer, active, most)
                if fetched.records or fetched.errors:
                    break
                await fetcher._create_fetch_waiter()  # noqa: SLF001 - as above
    return fetched


def _take(consumer: Any, active: Collection[TopicPartition], most: int) -> Fetched:
    fetcher, subscriptions = consumer._fetcher, consumer._subscription  # noqa: SLF001 - as above
    buffered = fetcher._records  # noqa: SLF001 - as above
    records: dict[TopicPartition, Sequence[ConsumerRecord]] = {}
    errors: dict[TopicPartition, Exception] = {}
    behind: dict[TopicPartition, int] = {}
    for tp in [*buffered]:
        if not subscriptions.is_assigned(tp):
            del buffered[tp]
        elif tp in active and most:
            result = buffered.pop(tp)
            found, error = _unpack(consumer, tp, result, most)
            most -= len(found)
            if found:
                records[tp] = found
            if error is not None:
                errors[tp] = error
                behind |= _behind(tp, result)
            elif not most:
                buffered[tp] = result  # of which there may be more
    # It has room for more.
    fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001 - as above
    return Fetched(records, _positions(subscriptions, active), errors, behind)


def _unpack(
    consumer: Any, tp: TopicPartition, result: FetchResult | FetchError, most: int
) -> tuple[Sequence[ConsumerRecord], Exception | None]:
    """Returns what can be read of it, and what kept it from going on; it then stands there."""
    if isinstance(result, FetchError):
        error: Exception = result._error  # noqa: SLF001 - as above
        if isinstance(error, RecordTooLargeError):
            # aiokafka has gone on by one offset, past what nobody has read.
            for at in _positions(consumer._subscription, {tp}).values():  # noqa: SLF001 - as above
                consumer.seek(tp, at - 1)
        return (), error
    found: list[ConsumerRecord] = []
    if not result.check_assignment(tp):
        return (), None  # of before a seek, or another assignment
    try:
        for record in islice(result._partition_records, most):  # noqa: SLF001 - as above
            found.append(record)  # noqa: PERF402 - what comes before an error is kept
    except Exception as error:  # noqa: BLE001 - whatever a codec raises is told
        return found, error
    finally:
        result._update_position()  # noqa: SLF001 - as above
    return found, None


def _behind(tp: TopicPartition, result: FetchResult | FetchError) -> Mapping[TopicPartition, int]:
    if isinstance(result, FetchError):
        return {}
    # What aiokafka has come to, behind the batch at which it gave up.
    rest = result._partition_records._records  # noqa: SLF001 - as above
    return {tp: rest.next_batch().base_offset} if rest.has_next() else {}


def _positions(
    subscriptions: Any, active: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """In the same turn of the loop: records fetched after this belong to the next answer."""
    subscription = subscriptions.subscription
    assignment = subscription and subscription.assignment
    assigned = assignment.tps.intersection(active) if assignment else ()
    states = {tp: assignment.state_value(tp) for tp in assigned}
    return {tp: each.position for tp, each in states.items() if each.has_valid_position}
