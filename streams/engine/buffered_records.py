"""Takes what aiokafka has fetched, each partition by itself: an error is of one partition alone.

aiokafka's own `fetched_records` does not say of which partition its error is. It loses with it what
it has taken of others by then, and the records that stand before a batch that cannot be unpacked.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import ConsumerStoppedError, RecordTooLargeError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records by partition, and of each partition that was asked for where the next fetch begins.

    That is after the last record, or further where Kafka's own marks stand there. What stands there
    cannot be read where `errors` has the partition.
    """

    records: Mapping[TP, Sequence[ConsumerRecord]] = field(default_factory=dict)
    positions: Mapping[TP, int] = field(default_factory=dict)
    errors: Mapping[TP, Exception] = field(default_factory=dict)


async def fetch(consumer: Any, active: Collection[TP], seconds: float) -> Fetched:
    """Waits so long for something of these partitions; raises ConsumerStoppedError."""
    fetcher, subscriptions = consumer._fetcher, consumer._subscription  # noqa: SLF001 - guarded by a test
    if fetcher._closed:  # noqa: SLF001 - as above
        raise ConsumerStoppedError
    fetched = Fetched()
    with subscriptions.fetch_context(), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not fetcher._closed:  # noqa: SLF001 - as above
                if subscriptions.reassignment_in_progress:
                    await subscriptions.wait_for_assignment()
                fetched = _take(consumer, active)
                if fetched.records or fetched.errors:
                    break
                await fetcher._create_fetch_waiter()  # noqa: SLF001 - as above
    return fetched


def _take(consumer: Any, active: Collection[TP]) -> Fetched:
    fetcher, subscriptions = consumer._fetcher, consumer._subscription  # noqa: SLF001 - as above
    buffered = fetcher._records  # noqa: SLF001 - as above
    records: dict[TP, Sequence[ConsumerRecord]] = {}
    errors: dict[TP, Exception] = {}
    for tp in [TP(*each) for each in buffered]:
        if not subscriptions.is_assigned(tp):
            del buffered[tp]
        elif tp in active:
            found, error = _unpack(consumer, tp, buffered.pop(tp))
            if found:
                records[tp] = found
            if error is not None:
                errors[tp] = error
    # It has room for more.
    fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001 - as above
    return Fetched(records, _positions(subscriptions, active), errors)


def _unpack(
    consumer: Any, tp: TP, result: FetchResult | FetchError
) -> tuple[Sequence[ConsumerRecord], Exception | None]:
    """Returns what can be read of it, and what kept it from going on; it then stands there."""
    if isinstance(result, FetchError):
        error: Exception = result._error  # noqa: SLF001 - as above
        if isinstance(error, RecordTooLargeError):
            # aiokafka has gone on by one offset, past what nobody has read.
            for at in _positions(consumer._subscription, {tp}).values():  # noqa: SLF001 - as above
                consumer.seek(driver.ensure_aiokafka_TP(tp), at - 1)
        return (), error
    found: list[ConsumerRecord] = []
    if not result.check_assignment(tp):
        return (), None  # of before a seek, or another assignment
    try:
        for record in result._partition_records:  # noqa: SLF001 - as above
            found.append(record)  # noqa: PERF402 - what comes before an error is kept
    except Exception as error:  # noqa: BLE001 - whatever a codec raises is told
        return found, error
    finally:
        result._update_position()  # noqa: SLF001 - as above
    return found, None


def _positions(subscriptions: Any, active: Collection[TP]) -> Mapping[TP, int]:
    """In the same turn of the loop: records fetched after this belong to the next answer."""
    subscription = subscriptions.subscription
    assignment = subscription and subscription.assignment
    assigned = assignment.tps.intersection(active) if assignment else ()
    states = {TP(*tp): assignment.state_value(tp) for tp in assigned}
    return {tp: each.position for tp, each in states.items() if each.has_valid_position}
