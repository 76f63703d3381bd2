"""A user's records: all topics of users have them in one partition, under their id."""

from collections.abc import Mapping, Sequence

from cli.trace.report import Report
from streams.kafka.ranges import Reader
from streams.operations.trace_search import Span, follow, partitions
from streams.topics import BY_USER, PRIVACY_REQUESTS, Topic


async def trace(
    reader: Reader, key: bytes, span: Span, sinks: Mapping[str, Sequence[Topic]]
) -> Report:
    story = await follow(
        reader,
        partitions(reader, (*BY_USER, PRIVACY_REQUESTS), key),
        span,
        lambda record: record.key == key,
        lambda _: lambda found: found.letter.key == key,
        sinks,
    )
    return Report(span, story)
