"""The lines of `check` on the log and on time: how far each worker is, and by whose clock."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from agents.registry import Finding
from streams import clocks
from streams.kafka.clients import UnansweredError
from streams.kafka.ranges import Range, Reader
from streams.operations.trace_search import stands
from streams.settings import KafkaSettings
from streams.topics import RAW, Topic

# Clocks that are kept by NTP differ by milliseconds, and a record may be on its way for seconds.
_MAX_AHEAD_S = 60
# Records that come again, after a replay or a redrive, are seldom older.
_MIN_KNOWN_S = 24 * 3600


async def standing(
    kafka: KafkaSettings, reads: Mapping[str, Sequence[Topic]], dedup_max_ids: int
) -> AsyncIterator[Finding]:
    """A line for each topic that a worker has begun to read, and one for a clock that is wrong.

    And one for what each destination's worker knows of the past when it starts.
    """
    try:
        async with Reader.open(kafka) as reader:
            for worker, topics in reads.items():
                for finding in await _behind(reader, worker, topics, dedup_max_ids):
                    yield finding
            for finding in await _clock(reader):
                yield finding
    except (KafkaError, UnansweredError) as error:
        yield Finding("open", f"how far the workers are cannot be told: {error}")


async def _behind(
    reader: Reader, worker: str, topics: Sequence[Topic], dedup_max_ids: int
) -> Sequence[Finding]:
    tps = {topic: reader.every(topic) for topic in topics}
    every = [tp for of_topic in tps.values() for tp in of_topic]
    group = await stands(reader, worker, topics, every)
    there = {each.tp: each for each in await reader.there(every)}
    offsets = {tp: progress.offset for tp, progress in group.stands.items()}
    findings = [
        _lag(f"worker {worker}", of_topic[0].topic, offsets, [there[tp] for tp in of_topic])
        for of_topic in tps.values()
        if any(tp in offsets for tp in of_topic)
    ]
    # The router sends nothing twice to anybody: its parts have the ids that they had.
    if offsets and RAW not in topics:
        begun = [there[tp] for tp in every if tp in offsets]
        findings.append(await _known(reader, worker, offsets, begun, dedup_max_ids))
    return findings


async def _known(
    reader: Reader,
    worker: str,
    offsets: Mapping[TopicPartition, int],
    log: Sequence[Range],
    dedup_max_ids: int,
) -> Finding:
    """Returns how far back the log tells a worker that starts what it has had.

    It reads what stands before its offsets, as many records as it may remember, if Kafka has them.
    """
    kept = sum(max(0, offsets[each.tp] - each.start) for each in log)
    known = f"when it starts, worker {worker} knows the last {min(kept, dedup_max_ids)} records"
    cut = [each for each in log if each.start > 0]
    if not cut or kept >= dedup_max_ids:
        return Finding("ok", f"{known} that it has had.")
    since_ms = max([await _first_ms(reader, each) for each in cut])
    since = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat(timespec="seconds")
    known = f"{known} that it has had, as Kafka has not all from before {since}"
    if clocks.wall() - since_ms / 1000 >= _MIN_KNOWN_S:
        return Finding("ok", f"{known}.")
    names = ", ".join(sorted({each.tp.topic for each in cut}))
    return Finding(
        "open",
        f"{known}, and may remember {dedup_max_ids} (WORKER_DEDUP_MAX_IDS): what is older and "
        f"comes again is delivered again; keep {names} for longer (retention.ms).",
    )


async def _first_ms(reader: Reader, log: Range) -> float:
    """Returns when Kafka took the first record that it still has; now, where it has none."""
    if log.start < log.end:
        async for record in reader.records(log._replace(end=log.start + 1)):
            return float(record.timestamp)
    return clocks.wall() * 1000


def _lag(
    who: str, topic: str, offsets: Mapping[TopicPartition, int], log: Iterable[Range]
) -> Finding:
    # A partition without an offset was added later, and is read from its beginning.
    at = [(offsets.get(each.tp, each.start), each) for each in log]
    behind = sum(max(0, each.end - max(offset, each.start)) for offset, each in at)
    deleted = sum(max(0, each.start - offset) for offset, each in at)
    if not deleted:
        return Finding("ok", f"{who} is {behind} records behind in {topic}.")
    return Finding(
        "open",
        f"{who} is {behind} records behind in {topic}, and Kafka has deleted {deleted} that it has "
        "not read: see KAFKA_DELETED_RECORDS.",
    )


async def _clock(reader: Reader) -> Sequence[Finding]:
    """Kafka tells nobody its time; but what is ahead of ours was written by another clock.

    A clock of ours that is ahead is not seen so.
    """
    newest_ms = 0
    for each in await reader.there(reader.every(RAW)):
        async for record in reader.records(each._replace(start=max(each.start, each.end - 1))):
            newest_ms = max(newest_ms, record.timestamp)
    return list(_ahead(reader.kafka.topic(RAW.name), newest_ms / 1000 - clocks.wall()))


def _ahead(topic: str, seconds: float) -> Iterator[Finding]:
    if seconds > _MAX_AHEAD_S:
        yield Finding(
            "open",
            f"The newest record of {topic} is of {seconds:.0f} s ahead of this machine's clock: "
            "set it, or that of whoever writes there; brokers refuse what is further ahead than "
            "message.timestamp.after.max.ms.",
        )
