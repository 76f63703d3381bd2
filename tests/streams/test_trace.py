"""What a record's place, the offsets of a group and dead letters say of what became of it."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from models.dead_letter import DeadLetter
from models.record import RawPosition
from sandbox.kafka import Kafka
from streams import headers
from streams.dead_letters.reader import Found, Position
from streams.dead_letters.writer import preserve
from streams.engine.offset_tracker import OffsetTracker
from streams.kafka.commit_metadata import Progress, decode, encode
from streams.kafka.ranges import Reader
from streams.operations.trace_fates import Group, Letters, Place, Traced, fate, traced
from streams.operations.trace_search import search, stands
from streams.topics import EVENTS, USER_UPDATE
from tests.streams.cluster import commit, create, settings, write
from tests.streams.properties import SMALL
from tests.streams.records import CLUSTER, RECEIVED_AT_MS, event_source, source

AT = Place("events", 1, 41)
SAILTHRU = Group("sailthru", frozenset({"events"}), {AT.tp: Progress(40, ((41, 43),))})


def letter(at: int, **changed: Any) -> Found:
    fields = {
        "stage": "sink",
        "destination": "sailthru",
        "reason": "refused",
        "topic": AT.topic,
        "partition": AT.partition,
        "offset": AT.offset,
        "first_at_ms": 1,
        "last_at_ms": 2,
        **preserve(b"{"),
        **changed,
    }
    return Found(Position(3, at), at, DeadLetter(**fields))


@given(st.integers(0, 2**40), st.lists(st.booleans(), max_size=60))
@SMALL
def test_what_has_ended_is_told_from_what_is_beside_the_offset(
    start: int, ended: list[bool]
) -> None:
    offsets = OffsetTracker(start)
    offsets.track((start + number, 1) for number in range(len(ended)))
    offsets.mark_ended(*(start + number for number, has_ended in enumerate(ended) if has_ended))
    committed = Progress(offsets.watermark, tuple(offsets.runs()))
    read = decode(encode(committed, CLUSTER), committed.offset, CLUSTER)
    assert read is not None
    group = Group("sailthru", frozenset(), {AT.tp: read})
    for number, has_ended in enumerate(ended):
        assert group.has_ended(AT._replace(offset=start + number)) is has_ended


@pytest.mark.parametrize(
    ("changed", "found", "says"),
    [
        ({}, [], "ended"),
        ({"at": AT._replace(offset=39)}, [], "ended"),
        ({"at": AT._replace(offset=40)}, [], "waiting"),
        ({"at": AT._replace(offset=43)}, [], "waiting"),
        ({"at": AT._replace(partition=0, offset=0)}, [], "waiting"),
        ({"at": AT._replace(topic="privacy-requests")}, [], "not read"),
        ({"redriven_for": "sailthru"}, [], "ended"),
        ({"redriven_for": "ab-tasty"}, [], "not for it"),
        ({}, [letter(7)], "dead letter refused at 3/7"),
        ({"at": AT._replace(offset=40)}, [letter(7, offset=40)], "dead letter refused at 3/7"),
        ({}, [letter(9, reason="later"), letter(7)], "dead letter later at 3/9"),
        ({}, [letter(7, destination="ab-tasty")], "ended"),
        ({}, [letter(7, stage="router", destination=None)], "ended"),
        ({}, [letter(7, partition=0)], "ended"),
        ({}, [letter(7, offset=42)], "ended"),
    ],
)
def test_what_became_of_a_record_is(changed: dict[str, Any], found: list[Found], says: str) -> None:
    record = Traced(AT, RECEIVED_AT_MS, "custom_event", "record-1", None)._replace(**changed)
    assert fate(record, SAILTHRU, Letters(found)) == says


def test_of_a_record_only_what_names_nobody_is_kept() -> None:
    kept = traced(event_source("4711", "Opened", 41, id_="record-1", partition=1))
    raw = RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0)
    assert kept == Traced(AT, RECEIVED_AT_MS, "custom_event", "record-1", raw)


def test_of_what_was_sent_again_it_is_told_for_whom_and_of_which_letter() -> None:
    again = traced(source(b"{", 41, headers=headers.redriven("sailthru", "3/7")))
    assert (again.redriven_for, again.redriven_of) == ("sailthru", "3/7")


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{", b"[]", b'{"id": 7}', b'{"raw": 1}'])
def test_what_is_no_record_of_ours_has_a_place_and_no_more(value: bytes | None) -> None:
    kept = traced(source(value, 41, partition=1))
    assert (kept.at, kept.kind, kept.id, kept.raw) == (AT, "", "", None)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("committed", "ended"),
    [
        pytest.param(None, [], id="nothing"),
        pytest.param(Progress(2), [0, 1], id="a watermark"),
        pytest.param(Progress(1, ((2, 3),)), [0, 2], id="a watermark and what ended beyond"),
    ],
)
@pytest.mark.parametrize("ours", [True, False], ids=["by this cluster", "by another"])
async def test_a_group_has_passed_what_it_has_committed(
    kafka: Kafka, prefix: str, committed: Progress | None, ended: list[int], *, ours: bool
) -> None:
    """What ended beyond is about other records where another cluster has written it."""
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster, [EVENTS, USER_UPDATE])
    at = Place(cluster.topic(EVENTS.name), 0, 0)
    async with Reader.open(cluster) as reader:
        if committed is not None:
            text = encode(committed, reader.cluster if ours else CLUSTER)
            offsets = {(at.topic, 0): (committed.offset, text)}
            await commit(cluster, cluster.group("sailthru"), offsets)
        other = TopicPartition(cluster.topic(USER_UPDATE.name), 0)
        group = await stands(reader, "sailthru", [EVENTS], [at.tp, other])
    expected = ended if ours or committed is None else [*range(committed.offset)]
    assert [n for n in range(4) if group.has_ended(at._replace(offset=n))] == expected
    assert other not in group.stands


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("most", "read", "left"), [(5, 4, []), (4, 4, []), (3, 3, [3]), (1, 1, [1])]
)
async def test_no_more_is_read_than_was_asked_for_and_what_is_left_is_named(
    kafka: Kafka, prefix: str, most: int, read: int, left: list[int]
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster, [EVENTS])
    await write(cluster, EVENTS, *[b"{}"] * 4)
    async with Reader.open(cluster) as reader:
        ranges = await reader.there([TopicPartition(cluster.topic(EVENTS.name), 0)])
        await write(cluster, EVENTS, b"came later")
        found, cuts = await search(reader, ranges, most, lambda _: True)
    assert [record.at.offset for record in found] == [*range(read)]
    assert [cut.at.offset for cut in cuts] == left
    assert [cut.at_ms for cut in cuts] == [found[-1].at_ms for _ in left]
