"""A kind of record that only a newer worker knows: it waits for that worker."""

import json

import pytest
from aiokafka.structs import ConsumerRecord

from streams import headers
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE, Topic
from tests.streams.delivery.flow import Flow, some_turns
from tests.streams.records import event_source, source, update_source


def _changed(record: ConsumerRecord, topic: Topic, **fields: object) -> ConsumerRecord:
    """A record as a newer router might write it; a field of None is left out."""
    written = json.loads(record.value or b"{}") | fields
    written = {name: each for name, each in written.items() if each is not None}
    kind = str(written.get("kind", ""))
    return source(
        json.dumps(written).encode(),
        record.offset,
        topic=topic.name,
        headers=headers.make(written["id"], kind, 0),
    )


@pytest.mark.parametrize("topic", [USER_UPDATE, AUDIENCE_MEMBERSHIP], ids=lambda each: each.name)
async def test_a_record_of_an_unknown_kind_is_held_where_it_is(topic: Topic) -> None:
    newer = _changed(update_source("17", "passes", 0), topic, kind="of_the_future")
    async with Flow(topics=(topic,)).running() as flow:
        partition = await flow.assign(topic=topic)
        await flow.accept(partition, [newer])
        await some_turns()

        assert flow.delivery.blocked is not None
        assert flow.delivery.blocked.reason == "unknown_kind"
        assert f"Offset 0 of {topic.name}, partition 0," in flow.delivery.blocked.what_to_do
        assert "upgrade" in flow.delivery.blocked.what_to_do
    assert (flow.letters.written, partition.progress.offset) == ([], 0)


async def test_what_comes_after_a_record_of_an_unknown_kind_waits_with_it() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        newer = _changed(update_source("17", "passes", 0), USER_UPDATE, kind="of_the_future")
        await flow.accept(partition, [newer, update_source("17", "passes", 1)])
        await flow.accept(partition, [update_source("18", "passes", 2)])
        await some_turns()

    assert (flow.sink.delivered, partition.progress.offset) == ([], 0)


async def test_a_record_without_any_kind_is_a_dead_letter() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        broken = _changed(update_source("17", "passes", 0), USER_UPDATE, kind=None)
        await flow.accept(partition, [broken])
        await flow.settled(partition)

    assert flow.letters.told == [(0, "invalid_record")]
    assert flow.delivery.blocked is None


async def test_events_may_be_of_any_kind() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        event = _changed(event_source("17", "passes", 0), EVENTS, kind="of_the_future")
        await flow.accept(partition, [event])
        await flow.settled(partition)

    assert flow.sink.delivered == ["17/0/0"]


async def test_a_stranger_s_record_of_an_unknown_kind_is_a_dead_letter() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        newer = _changed(update_source("17", "passes", 0), USER_UPDATE, kind="of_the_future")
        stranger = source(newer.value, 0, topic=USER_UPDATE.name, headers=[])
        await flow.accept(partition, [stranger])
        await flow.settled(partition)

    assert flow.letters.told == [(0, "invalid_record")]
