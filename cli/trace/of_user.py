"""A user's records: all topics of users have them in partitions of one number, under their id."""

from collections.abc import Mapping, Sequence

from cli.trace.report import Report
from streams.kafka.ranges import Reader
from streams.operations.key_places import places_of
from streams.operations.trace_search import Span, follow
from streams.topics import PRIVACY_REQUESTS, USER_UPDATE, Topic


async def trace(
    reader: Reader, key: bytes, span: Span, sinks: Mapping[str, Sequence[Topic]]
) -> Report:
    story = await follow(
        reader,
        places_of(reader, ((topic, key) for topic in (USER_UPDATE, PRIVACY_REQUESTS))),
        span,
        lambda record: record.key == key,
        lambda _: lambda found: found.letter.key == key,
        sinks,
    )
    return Report(span, story)
