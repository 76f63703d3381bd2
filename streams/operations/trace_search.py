"""Finds records, how far their readers have come, and dead letters; joins no group."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streams import headers
from streams.dead_letters.reader import Choice, DeadLetterLog, Found, Position
from streams.kafka.clients import answering, reading
from streams.kafka.commit_metadata import Progress, decode
from streams.kafka.committed_offsets import read_committed
from streams.kafka.ranges import Range, Reader
from streams.operations.key_places import Places
from streams.operations.trace_fates import Group, Letters, Place, Traced, traced
from streams.topics import RAW, Topic

# Records and dead letters are written by different machines, whose clocks may differ.
_CLOCKS_DIFFER_MS = 60_000

Takes = Callable[[ConsumerRecord], bool]
Concerns = Callable[[Sequence[Traced]], Callable[[Found], bool]]
"""Tells whether a dead letter belongs to the search; built once its records are found."""


class NoRawMessageError(Exception):
    """None stands at a position; the message is one sentence that says why."""


class Span(NamedTuple):
    """A span of time to read: from the first record of `since_ms` to before that of `until_ms`.

    None is where the topics begin and end; of each partition no more than `most` offsets.
    """

    since_ms: int | None
    until_ms: int | None
    most: int


class Cut(NamedTuple):
    """The place where reading a partition stopped for being too much; `at_ms` is its last time."""

    at: Place
    at_ms: int


class Story(NamedTuple):
    """All that was found, records as they came.

    Those that `moved` stand where their key's are no more, since partitions were added.
    """

    records: Sequence[Traced]
    cuts: Sequence[Cut]
    groups: Sequence[Group]
    letters: Letters
    moved: Sequence[Place] = ()


async def raw_message(reader: Reader, position: Position) -> ConsumerRecord | None:
    """None when Kafka has deleted it; raises NoRawMessageError when there never was one."""
    partition, offset = position
    topic, count = reader.kafka.topic(RAW.name), reader.count(RAW)
    if partition >= count:
        raise NoRawMessageError(f"{topic} has no partition {partition}: it has {count}.")
    [there] = await reader.there([TopicPartition(topic, partition)])
    if offset >= there.end:
        raise NoRawMessageError(f"There is no raw message {position} yet: {there.end} is next.")
    if offset < there.start:
        return None
    async for record in reader.records(there._replace(start=offset, end=offset + 1)):
        return record
    raise NoRawMessageError(f"What stands at {position} is no message, but a mark of Kafka's own.")


async def stands(
    reader: Reader, worker: str, topics: Iterable[Topic], of: Iterable[TopicPartition]
) -> Group:
    """Looks at the offsets that a worker's group has of these partitions."""
    kafka = reader.kafka
    reads = frozenset(kafka.topic(topic.name) for topic in topics)
    asked = {tp for tp in of if tp.topic in reads}
    if not asked:
        return Group(worker, reads, {})
    async with reading(kafka, kafka.group(worker)) as consumer, answering(kafka):
        committed = await read_committed(consumer, asked)
    progress = {
        tp: decode(at.metadata, at.offset, reader.cluster) or Progress(at.offset)
        for tp, at in committed.items()
    }
    return Group(worker, reads, progress)


async def search(
    reader: Reader, ranges: Iterable[Range], most: int, takes: Takes
) -> tuple[Sequence[Traced], Sequence[Cut]]:
    """Reads no more than so many offsets of each."""
    found, cuts = [], []
    for each in ranges:
        end = min(each.end, each.start + most)
        last_ms = 0
        async for record in reader.records(each._replace(end=end)):
            last_ms = record.timestamp
            if takes(record):
                found.append(traced(record))
        if end < each.end:
            cuts.append(Cut(Place(each.tp.topic, each.tp.partition, end), last_ms))
    return sorted(found, key=lambda each: each.order), cuts


async def follow(
    reader: Reader,
    places: Places,
    span: Span,
    takes: Takes,
    concerns: Concerns,
    sinks: Mapping[str, Sequence[Topic]],
) -> Story:
    """Records first, then offsets, then dead letters.

    A dead letter is written before what it was made of has ended, so none is missed of what has.
    """
    ranges: Sequence[Range] = [
        *await reader.there(sorted(places.now)),
        *await _before_added(reader, places.before, sinks),
    ]
    if span.since_ms is not None:
        ranges = await reader.since(ranges, span.since_ms)
    if span.until_ms is not None:
        ranges = await reader.before(ranges, span.until_ms)
    records, cuts = await search(reader, ranges, span.most, takes)
    of = {record.at.tp for record in records}
    groups = [await stands(reader, worker, topics, of) for worker, topics in sinks.items()]
    since_ms = None if span.since_ms is None else span.since_ms - _CLOCKS_DIFFER_MS
    log = await DeadLetterLog.read_by(reader)
    chosen = log.chosen(Choice(since_ms=since_ms))
    concerned = concerns(records)
    letters = Letters([found async for found in chosen if concerned(found)])
    moved = [record.at for record in records if record.at.tp in places.before]
    return Story(records, cuts, groups, letters, moved)


async def _before_added(
    reader: Reader, tps: Iterable[TopicPartition], sinks: Mapping[str, Sequence[Topic]]
) -> Sequence[Range]:
    """Returns what partitions have of keys that may have moved from them.

    That ends where a group says that they ended when it saw as many as there are now; what no group
    that has seen them reads is taken whole.
    """
    ranges = await reader.there(sorted(tps))
    groups = [await stands(reader, worker, topics, tps) for worker, topics in sinks.items()]
    ends: dict[TopicPartition, int] = {}
    for tp, progress in (each for group in groups for each in group.stands.items()):
        if progress.sight.partitions >= reader.partitions[tp.topic]:
            ends[tp] = max(ends.get(tp, 0), progress.sight.end)
    limited = [each._replace(end=min(each.end, ends.get(each.tp, each.end))) for each in ranges]
    return [each for each in limited if each.start < each.end]


async def sent_again(
    reader: Reader, of: Place, letters: Sequence[Found], most: int
) -> tuple[Sequence[Traced], Sequence[Cut]]:
    """The raw messages that somebody sent again of these dead letters of one."""
    if not letters:
        return (), ()
    marks = {str(found.at) for found in letters}
    ranges = await reader.since(await reader.there([of.tp]), letters[0].written_ms)
    return await search(
        reader, ranges, most, lambda record: headers.read(record.headers).redriven_of in marks
    )
