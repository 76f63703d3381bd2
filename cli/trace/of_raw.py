"""A raw message's records: where the router writes what it makes of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from aiokafka.structs import ConsumerRecord

from agents.router.message_time import taken_ms
from agents.router.routing import Routed, route
from agents.router.schema_drift import told_kind
from agents.router.settings import RouterSettings
from cli.trace.report import Made, Message, Raw, Report
from streams import clocks, headers
from streams.dead_letters.reader import ROUTER, Found, Position
from streams.kafka.ranges import Reader
from streams.operations.key_places import all_places, places_of
from streams.operations.trace_fates import Place, Traced, made_of, traced
from streams.operations.trace_search import (
    Span,
    Story,
    follow,
    raw_message,
    sent_again,
    stands,
)
from streams.topics import AUDIENCES, BY_USER, PRIVACY_REQUESTS, RAW, USER_UPDATE, Topic

# How far ahead of its own clock a broker lets a producer's be (message.timestamp.after.max.ms).
_AHEAD_MS = 3_600_000


async def trace(
    reader: Reader, position: Position, span: Span, sinks: Mapping[str, Sequence[Topic]]
) -> Report:
    """Raises NoRawMessageError where there never was one, SettingsError for the router's."""
    settings = RouterSettings.load()
    record = await raw_message(reader, position)
    at = Place(reader.kafka.topic(RAW.name), *position)
    # Before its records are looked for: what it has passed is there then.
    router = await stands(reader, ROUTER, (RAW,), [at.tp])
    if record is None:
        routed, keys = Routed(), None
        places = all_places(reader, (*BY_USER, AUDIENCES, PRIVACY_REQUESTS))
    else:
        taken = taken_ms(record.timestamp, clocks.wall_ms())
        routed = route(record.value or b"", record, taken, settings, record.key)
        keyed = _keyed(record, routed)
        places, keys = places_of(reader, keyed), {key for _, key in keyed}
        # Records are written after their message, by whatever clock it has its time.
        since_ms = record.timestamp - _AHEAD_MS
        span = span._replace(since_ms=since_ms) if span.since_ms is None else span
    story = await follow(reader, places, span, _takes(at, keys), _concerns(at, routed), sinks)
    own = [found for found in story.letters.all if made_of(found) == at]
    again, cuts = await sent_again(reader, at, own, span.most)
    progress = router.stands.get(at.tp)
    raw = Raw(
        at=at,
        message=_message(record, routed),
        ended=router.has_ended(at),
        passed=None if progress is None else progress.offset,
        missing=_missing(reader, routed, story),
        again=again,
    )
    return Report(span, story._replace(cuts=[*story.cuts, *cuts]), raw)


def _keyed(record: ConsumerRecord, routed: Routed) -> list[tuple[Topic, bytes]]:
    """Also by its own key: set otherwise, the router made of it what it would not make now."""
    keyed = [(out.topic, out.key) for out in routed.outs]
    return [*keyed, (USER_UPDATE, record.key)] if record.key else keyed


def _takes(at: Place, keys: set[bytes] | None) -> Callable[[ConsumerRecord], bool]:
    """Makes the test for records of the raw message; without keys it looks into each."""

    def takes(record: ConsumerRecord) -> bool:
        if keys is not None and record.key not in keys:
            return False
        raw = traced(record).raw
        return raw is not None and Place(raw.topic, raw.partition, raw.offset) == at

    return takes


def _concerns(at: Place, routed: Routed) -> Callable[[Sequence[Traced]], Callable[[Found], bool]]:
    def concerns(records: Sequence[Traced]) -> Callable[[Found], bool]:
        places = {at, *(record.at for record in records)}
        ids = {out.id for out in routed.outs} | {record.id for record in records if record.id}
        return lambda found: made_of(found) in places or found.letter.record_id in ids

    return concerns


def _message(record: ConsumerRecord | None, routed: Routed) -> Message | None:
    if record is None:
        return None
    return Message(
        record.timestamp,
        len(record.value or b""),
        headers.read(record.headers).redriven_of,
        {
            "topic": Counter(out.topic.name for out in routed.outs),
            "dropped": Counter(routed.dropped),
            "dead_letter": Counter(letter.reason for letter in routed.dead_letters),
        },
    )


def _missing(reader: Reader, routed: Routed, story: Story) -> Sequence[Made]:
    found = {record.id for record in story.records}
    return [
        Made(
            reader.kafka.topic(out.topic.name),
            told_kind(out.kind),
            out.id,
            out.index,
        )
        for out in routed.outs
        if out.id not in found
    ]
