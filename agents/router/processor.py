"""The router's work on chunks: map, write the updates, write the rest, end."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from agents.router.message_time import taken_ms
from agents.router.raw_message import RawMessage, TopicLimits
from agents.router.route_result import TARGETS
from agents.router.routing import Out, Routed, route_together
from agents.router.schema_drift import Drift, told_kind
from agents.router.settings import RouterSettings
from agents.router.snapshots import Snapshots
from models.dead_letter import DeadLetter
from streams import clocks, headers, metrics, topics
from streams.dead_letters.writer import DeadLetters, FloodGuard
from streams.engine.chunks import Chunk
from streams.engine.partition import Partition
from streams.engine.partition_tasks import PartitionTasks
from streams.kafka import batch_writer
from streams.kafka.batch_writer import NotTakenError, Outgoing
from streams.kafka.record_limits import SMALL, RecordLimits, smaller_than_raw
from streams.outcomes import Blocked
from streams.settings import KafkaSettings
from streams.topics import EVENTS, PRIVACY_REQUESTS, USER_UPDATE

log = structlog.get_logger()

# So much is mapped together, before others get a turn of the event loop. Parsed, a message may
# take ten times its bytes.
_SLICE_MESSAGES = 50
_SLICE_BYTES = 1024 * 1024
# So many bytes are mapped beside the event loop: it must answer Kafka and /live meanwhile.
_LONG_BYTES = 256 * 1024
# Records that are held at once before they are written; a chunk of ordinary messages makes fewer.
_HELD_BYTES = 8 * 1024 * 1024
_HELD_SECONDS = 0.2
# The producer's max_batch_size (streams/engine/consumer.py).
_BATCH_BYTES = 512 * 1024
# So many of the raw messages behind a batch that Kafka refused are named.
_MOST_NAMED = 20

ORDINARY = frozenset({"alias_request", "record_too_large", "set_aside"})
"""Reasons of dead letters that say nothing of a deploy or a setting."""
BEHIND = MappingProxyType(
    {
        **dict.fromkeys(
            ("not_utf8", "not_json", "unknown_message", "other_output"), "KAFKA_PREFIX"
        ),
        "too_many_parts": "ROUTER_MAX_PARTS",
        "too_much_growth": "ROUTER_MAX_GROWTH",
    }
)
"""Reason of a dead letter -> the setting to look at where many have that reason."""


def slices(records: Sequence[ConsumerRecord]) -> Iterator[Sequence[ConsumerRecord]]:
    """Yields a chunk in parts of bounded size; a message larger than that is a part of its own."""
    first = size = 0
    for count, record in enumerate(records):
        length = len(record.value or b"")
        if count > first and (count - first == _SLICE_MESSAGES or size + length > _SLICE_BYTES):
            yield records[first:count]
            first, size = count, 0
        size += length
    yield records[first:]


@dataclass(slots=True)
class _ChunkOutput:
    """The output of a chunk that is not written yet, updates first; and counts of all of it.

    `size` is the bytes of what is held, `accounted` how many raw messages had any output.
    """

    size: int = 0
    updates: list[Outgoing] = field(default_factory=list)
    others: list[Outgoing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    accounted: int = 0
    _records: Counter[tuple[str, str]] = field(default_factory=Counter)
    _development: Counter[str] = field(default_factory=Counter)
    _dropped: Counter[str] = field(default_factory=Counter)

    def add(self, out: Out, record: Outgoing) -> None:
        topic = out.topic
        (self.updates if topic is USER_UPDATE else self.others).append(record)
        self.size += len(record.value)
        self._records[topic.name, "event" if topic is EVENTS else out.kind] += 1
        if out.head.environment == "development":
            self._development[topic.name] += 1

    def end(self, routed: Routed) -> None:
        """Adds what a message became besides its records, which have been added."""
        for reason in routed.dropped:
            self._dropped[reason] += 1
        self.letters += routed.dead_letters
        self.size += sum(len(letter.value) for letter in routed.dead_letters)
        self.accounted += bool(routed.outs or routed.dropped or routed.dead_letters)

    def count(self) -> None:
        """Counts all in the metrics at once, because a label costs more than a message's id."""
        for (topic, kind), count in self._records.items():
            metrics.RECORDS_ROUTED.labels(topic=topic, kind=kind).inc(count)
        for topic, count in self._development.items():
            metrics.DEVELOPMENT_RECORDS.labels(topic=topic).inc(count)
        for reason, count in self._dropped.items():
            metrics.RECORDS_DROPPED.labels(stage="router", reason=reason).inc(count)

    def release(self) -> None:
        """Lets go of what Kafka has; how many messages had any output stays known."""
        for held in (
            *(self.updates, self.others, self.letters),
            *(self._records, self._development, self._dropped),
        ):
            held.clear()
        self.size = 0


def _say_refused(error: NotTakenError) -> None:
    """Names the raw messages, so that a person can set them aside."""
    raw = [orjson.loads(record.value)["raw"] for record in error.records]
    positions = list(dict.fromkeys(f"{at['partition']}/{at['offset']}" for at in raw))
    named = ",".join(positions[:_MOST_NAMED])
    instead = (
        "; what Kafka will never take goes to the dead letters with "
        f"ROUTER_DEAD_LETTER_OFFSETS={named}"
    )
    log.error(
        "kafka_write_refused",
        topic=error.topic,
        partition=error.partition,
        error=type(error.__cause__).__name__,
        raw=named,
        raw_messages=len(positions),
        what_to_do=error.what_to_do + (instead if error.is_of_records else ""),
    )


class Router:
    """The engine's processor for raw messages: one chunk of each partition at a time."""

    def __init__(
        self,
        settings: RouterSettings,
        kafka: KafkaSettings,
        producer: AIOKafkaProducer,
        dead_letters: DeadLetters,
        guard: FloodGuard,
        limits: RecordLimits,
    ) -> None:
        self.blocked: Blocked | None = None
        self.limited: str | None = None
        self._settings = settings
        self._names = {topic.name: kafka.topic(topic.name) for topic in topics.ALL}
        self._together = [self._names[topic.name] for topic in topics.BY_USER]
        self._producer = producer
        self._dead_letters = dead_letters
        self._guard = guard
        self._limits = limits
        self._topic_limits = TopicLimits()
        self._tight: Mapping[str, int] = {}
        self._long = asyncio.Lock()
        self._drift = Drift()
        self._snapshots = Snapshots(settings.snapshot_max_users)
        # Offset and epoch at which a partition was left: another worker may have gone on with it.
        self._left: dict[TP, tuple[int, int]] = {}
        self._chunks = PartitionTasks(self._route)
        # The series begin at 0, or increase() does not see the first of each.
        for topic, kind in TARGETS.values():
            if topic is PRIVACY_REQUESTS:
                metrics.RECORDS_ROUTED.labels(topic=topic.name, kind=kind)

    @property
    def waits_on_purpose(self) -> bool:
        return self.blocked is not None

    async def run(self) -> None:
        limits = await self._limits.read()
        self._topic_limits = TopicLimits(limits)
        # The topics that take less than the producer would make into one batch.
        self._tight = {
            self._names[name]: most for name, most in limits.items() if most < _BATCH_BYTES
        }
        for name in smaller_than_raw(limits):
            log.warning("topic_limit_too_small", topic=name, most=limits[name], what_to_do=SMALL)
        await self._chunks.run()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        for each in partitions:
            start = each.committed
            if self._left.pop(each.tp, None) != (start.offset, start.epoch):
                # Somebody else has routed meanwhile what would not be remembered here.
                self._snapshots.forget(each.tp)
        self._chunks.assigned(partitions)

    async def held(self, partitions: Sequence[Partition]) -> None:
        """Does nothing: a partition of raw messages has no duties."""

    async def accept(self, chunk: Chunk) -> None:
        self._chunks.accept(chunk)

    async def revoked(self, partitions: Sequence[Partition], deadline: float) -> None:
        """Lets each partition end its chunk, and start no other."""
        await self._chunks.revoked(partitions, deadline)
        for each in partitions:
            left = each.progress
            if not left.ended:
                self._left[each.tp] = (left.offset, left.epoch)

    async def _route(self, chunk: Chunk) -> None:
        partition = chunk.partition
        output, is_written = _ChunkOutput(), True
        try:
            for sources in slices(chunk.records):
                await asyncio.sleep(0)
                if partition.closed:
                    return
                is_written = False
                await self._map(sources, partition, output)
            await self._write(output)
            is_written = True
        finally:
            if not is_written:
                self._snapshots.forget(partition.tp)
        partition.accounted += output.accounted
        partition.mark_ended(*(source.offset for source in chunk.records))
        while self.blocked is not None and not partition.closed:  # noqa: ASYNC110 - it ends with the partition
            await asyncio.sleep(_HELD_SECONDS)

    async def _map(
        self, sources: Sequence[ConsumerRecord], partition: Partition, output: _ChunkOutput
    ) -> None:
        now_ms = clocks.wall_ms()
        # Also before a partition's first message others may have routed what is newer: its users
        # were in another partition, in a topic of this name before, or in another cluster.
        known = self._snapshots.of(partition.tp, taken_ms(sources[0].timestamp, now_ms))
        # A record from Kafka also is the place where it stands.
        raws = [
            RawMessage(
                each.value or b"",
                each,
                taken_ms(each.timestamp, now_ms),
                self._settings,
                each.key,
                self._topic_limits,
                known,
                is_redriven=headers.are_of_redriven(each.headers),
            )
            for each in sources
        ]
        if sum(len(raw.value) for raw in raws) <= _LONG_BYTES:
            route_together(raws)
            await self._add(raws, partition.epoch, output)
            return
        # For one partition at a time, because parsed it takes ten times its bytes.
        async with self._long:
            await asyncio.to_thread(route_together, raws)
            await self._add(raws, partition.epoch, output)

    async def _add(self, raws: Sequence[RawMessage], epoch: int, output: _ChunkOutput) -> None:
        """Adds the output of messages, and writes it as soon as it is too much to hold."""
        for raw in raws:
            routed = raw.routed
            outs = routed.outs
            if len(raw.value) > _LONG_BYTES:
                # It may be written in parts, and no update may come after what counts on it.
                outs = sorted(outs, key=lambda out: out.topic is not USER_UPDATE)
            for out in outs:
                output.add(out, self._outgoing(out, epoch))
                if output.size > _HELD_BYTES:
                    await self._write(output)
            output.end(routed)
            if routed.strangers:
                self._drift.count(routed.strangers)
            for reason in routed.odd_times:
                metrics.ODD_TIMES.labels(reason=reason).inc()
            if not raw.is_redriven:
                self._count(routed)
            if output.size > _HELD_BYTES:
                await self._write(output)

    async def _write(self, output: _ChunkOutput) -> None:
        try:
            if output.updates or output.others:
                counts = await batch_writer.common_counts(self._producer, self._together)
                # Others may count on the updates before them: see "updates first" in the docs.
                for records in (output.updates, output.others):
                    await batch_writer.write(self._producer, records, self._tight, counts)
        except NotTakenError as error:
            _say_refused(error)
            raise
        await self._dead_letters.write(output.letters)
        output.count()
        output.release()

    def _outgoing(self, out: Out, epoch: int) -> Outgoing:
        return Outgoing(
            self._names[out.topic.name],
            out.key,
            out.written(),
            headers.make(out.id, told_kind(out.kind), epoch, out.origin),
        )

    def _count(self, routed: Routed) -> None:
        reasons = [letter.reason for letter in routed.dead_letters if letter.reason not in ORDINARY]
        if not reasons and not routed.outs:
            return
        flood = self._guard.count(reasons[0] if reasons else None)
        if flood is not None and self.blocked is None:
            self.blocked = flood
            log.error("delivery_blocked", reason=flood.reason, what_to_do=flood.what_to_do)
            metrics.BLOCKED.labels(destination="", reason=flood.reason).set(1)
