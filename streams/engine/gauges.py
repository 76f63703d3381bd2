"""Tells how a worker is: by gauges when somebody asks, and by a line of log a minute."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from prometheus_client import Gauge

from streams import clocks, metrics
from streams.engine.partition import Partition
from streams.engine.processor import Processor
from streams.outcomes import Blocked

log = structlog.get_logger()

# A broker that is frozen is named so soon after it, and the seconds that it is given to answer.
_LOG_BOUNDS_SECONDS = 3.0
_LOOP_LAG_SECONDS = 0.5
_SUMMARY_SECONDS = 60.0

_BY_PARTITION = (metrics.LAG, metrics.WATERMARK, metrics.LOG_START, metrics.LOG_END)
_BY_TOPIC = (metrics.IN_FLIGHT, metrics.HOLES, metrics.OLDEST_SECONDS)


def count_ended(partitions: Iterable[Partition], bare: Callable[[str], str]) -> None:
    """Counts what ended since it was last counted; `bare` takes the prefix off a topic's name."""
    for partition in partitions:
        metrics.RECORDS_ENDED.labels(topic=bare(partition.tp.topic)).inc(partition.take_ended())


def observe(
    partitions: Iterable[Partition], bare: Callable[[str], str], destination: str = ""
) -> None:
    """Sets what is read off the assigned partitions; what is no longer assigned disappears."""
    topics = defaultdict[str, list[Partition]](list)
    for partition in partitions:
        topics[bare(partition.tp.topic)].append(partition)
    for gauge in (*_BY_PARTITION, *_BY_TOPIC):
        gauge.clear()
    for topic, own in topics.items():
        count_ended(own, bare)
        metrics.IN_FLIGHT.labels(topic=topic).set(sum(each.offsets.waiting for each in own))
        metrics.HOLES.labels(topic=topic).set(max(each.holes for each in own))
        metrics.OLDEST_SECONDS.labels(destination=destination, topic=topic).set(_oldest(own))
        for each in own:
            _observe_log(each, topic)
    everything = [each for own in topics.values() for each in own]
    metrics.PAUSED.set(sum(each.is_full for each in everything))
    metrics.UNACCOUNTED.set(
        sum(each.read - each.accounted - each.offsets.waiting for each in everything)
    )


def _oldest(partitions: Iterable[Partition]) -> float:
    now = clocks.wall()
    came = [at for each in partitions if (at := each.oldest_at) is not None]
    return max(0.0, now - min(came, default=now))


def _observe_log(partition: Partition, topic: str) -> None:
    def there(gauge: Gauge) -> Gauge:
        return gauge.labels(topic=topic, partition=str(partition.tp.partition))

    there(metrics.WATERMARK).set(partition.offsets.watermark)
    there(metrics.LAG).set(partition.lag)
    if partition.bounds is not None:
        start, end = partition.bounds
        there(metrics.LOG_START).set(start)
        there(metrics.LOG_END).set(end)


def observe_readiness(state: str) -> None:
    for each in metrics.READY_STATES:
        metrics.READINESS.labels(state=each).set(each == state)


async def keep_log_bounds(learn: Callable[[], Awaitable[None]]) -> None:
    """Has it learned until cancelled where the log of what is assigned begins and ends."""
    while True:
        # Only a measure: without brokers the last answer stands, and the engine says the rest.
        with contextlib.suppress(KafkaError):
            await learn()
        await asyncio.sleep(_LOG_BOUNDS_SECONDS)


async def keep_loop_lag() -> None:
    """Measures until cancelled."""
    while True:
        metrics.LOOP_LAG_SECONDS.observe(await lateness(_LOOP_LAG_SECONDS))


async def lateness(pause: float) -> float:
    """Returns by how many seconds the event loop comes back late: many mean overload."""
    clock = asyncio.get_running_loop().time
    due = clock() + pause
    await asyncio.sleep(pause)
    return max(0.0, clock() - due)


class Summary:
    """Counts since the last call, for one line of log a minute in place of one a record."""

    def __init__(self) -> None:
        self._told = _counted()

    def since(self) -> Mapping[str, int]:
        before, self._told = self._told, _counted()
        return {name: count - before[name] for name, count in self._told.items()}


def _counted() -> Mapping[str, int]:
    return {
        "read": metrics.total(metrics.RECORDS_READ),
        "ended": metrics.total(metrics.RECORDS_ENDED),
        "rejected": metrics.total(metrics.DEAD_LETTERS),
    }


async def keep_summary(
    partitions: Mapping[TP, Partition], processor: Processor, bare: Callable[[str], str]
) -> None:
    """Logs a line a minute until cancelled."""
    summary = Summary()
    while True:
        await asyncio.sleep(_SUMMARY_SECONDS)
        log_summary(summary, partitions.values(), processor.blocked, bare)


def log_summary(
    summary: Summary,
    partitions: Collection[Partition],
    blocked: Blocked | None,
    bare: Callable[[str], str],
) -> None:
    count_ended(partitions, bare)
    log.info(
        "summary",
        **summary.since(),
        waiting=sum(partition.offsets.waiting for partition in partitions),
        blocked=blocked.reason if blocked else None,
    )
