"""Records as Kafka hands them out, and the partitions they must be ended at."""

import asyncio
from collections.abc import Iterable, Sequence

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from models.event import Event
from models.record import RawPosition, Record
from models.user_update import AttributesChanged
from streams.engine.chunks import Chunk
from streams.engine.partition import InFlightLimit, Partition
from streams.kafka.commit_metadata import Progress
from streams.topics import EVENTS
from tests.routed import written

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
RECEIVED_AT_MS = 1_767_225_600_000
Headers = Iterable[tuple[str, bytes | None]]


def source(
    value: bytes | None,
    offset: int,
    *,
    key: bytes | None = b"17",
    topic: str = EVENTS.name,
    partition: int = 0,
    headers: Headers = (),
) -> ConsumerRecord:
    """A fetched record."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=RECEIVED_AT_MS,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )


def stored(
    record: Record,
    offset: int,
    *,
    partition: int = 0,
    key: bytes | None = None,
    epoch: int = 0,
    marks: Headers = (),
) -> ConsumerRecord:
    """A record as the router writes it; with another key than its own, and further headers."""
    out = written(record, epoch)
    return source(
        out.value,
        offset,
        key=key or out.key,
        topic=out.topic,
        partition=partition,
        headers=(*out.headers, *marks),
    )


def event(user: str, name: str, id_: str) -> Event:
    return Event(
        kind="custom_event",
        name=name,
        id=id_,
        mpid=user,
        received_at_ms=RECEIVED_AT_MS,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    )


def event_source(
    user: str, name: str, offset: int, *, id_: str | None = None, partition: int = 0
) -> ConsumerRecord:
    """An event as the router writes it; without an id of its own it is named after its place."""
    record = event(user, name, id_ or f"{user}/{partition}/{offset}")
    return stored(record, offset, partition=partition)


def update_source(user: str, fate: str, offset: int, *, partition: int = 0) -> ConsumerRecord:
    """An update as the router writes it, whose attribute `fate` says what becomes of it."""
    record = AttributesChanged(
        attributes={"fate": fate},
        id=f"{user}/update/{offset}",
        mpid=user,
        received_at_ms=RECEIVED_AT_MS,
        raw=RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0),
    )
    return stored(record, offset, partition=partition)


def new_partition(
    start: Progress | int = 0,
    *,
    number: int = 0,
    topic: str = EVENTS.name,
    limit: InFlightLimit | None = None,
) -> Partition:
    progress = Progress(start) if isinstance(start, int) else start
    limit = limit or InFlightLimit()
    return Partition(TP(topic, number), progress, limit, lambda _changed: None)


def fetch(partition: Partition, records: Sequence[ConsumerRecord]) -> Chunk:
    """Tells the partition of its records, as the consumer does, and returns what needs work."""
    todo = set(partition.track((r.offset, len(r.value or b"")) for r in records))
    return Chunk(
        partition,
        [r for r in records if r.offset in todo],
        end=records[-1].offset + 1,
        fetched_at=asyncio.get_running_loop().time(),
    )
