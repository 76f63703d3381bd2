"""What Kafka does not take: known before if it can be; else told, and passed by a person's word."""

import asyncio
from pathlib import Path

import orjson
import pytest

from models.dead_letter import DeadLetter
from sandbox.kafka import Kafka
from streams.kafka.record_limits import ask
from streams.settings import KafkaSettings
from streams.topics import DEAD_LETTERS, EVENTS, RAW, USER_UPDATE
from tests.cli.messages import attribute, custom_event, event_batch
from tests.kafka.leaks.program import started
from tests.kafka.log import everything
from tests.streams.cluster import configure, create, read, settings, write

_DEFAULT_OF_KAFKA = 1_048_588


def _large() -> bytes:
    return event_batch(custom_event("Read", essay="x" * 1_200_000))


async def _letters(cluster: KafkaSettings, count: int) -> list[tuple[str, int, int]]:
    found = [
        DeadLetter.model_validate_json(record.value)
        for record in await read(cluster, DEAD_LETTERS, count)
    ]
    return [(letter.reason, letter.offset, letter.length) for letter in found]


@pytest.mark.kafka
async def test_a_record_that_its_topic_does_not_take_is_a_dead_letter_that_fits(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    for topic in (EVENTS, USER_UPDATE, DEAD_LETTERS):
        await configure(cluster, topic, {"max.message.bytes": str(_DEFAULT_OF_KAFKA)})
    limits = await ask(cluster)
    assert (limits[EVENTS.name], limits[RAW.name]) == (_DEFAULT_OF_KAFKA, 10 * 1024 * 1024)

    large = _large()
    await write(cluster, RAW, large, event_batch(custom_event("Came after")))
    with started("cli worker router", cluster, tmp_path) as program:
        [routed] = await read(cluster, EVENTS, 1)
        letters = await _letters(cluster, 1)
        assert not program.ended

    assert orjson.loads(routed.value)["name"] == "Came after"
    assert letters == [("record_too_large", 0, len(large))]
    assert "topic_limit_too_small" in program.logged()


@pytest.mark.kafka
async def test_what_kafka_refuses_for_good_is_named_and_goes_to_the_dead_letters_by_a_persons_word(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    cluster = settings(kafka, prefix, partitions=1)
    await create(cluster)
    await write(cluster, RAW, event_batch(custom_event("Began")))
    with started("cli worker router", cluster, tmp_path) as program:
        await read(cluster, EVENTS, 1)
        await configure(cluster, USER_UPDATE, {"max.message.bytes": "5000"})
        refused = event_batch(attribute("likes", "x" * 9_000))
        await write(cluster, RAW, refused, event_batch(custom_event("Came after")))
        code = await asyncio.to_thread(program.process.wait, 40)
    assert code != 0
    assert "ROUTER_DEAD_LETTER_OFFSETS=0/1" in program.logged()

    with started("cli worker router", cluster, tmp_path, ROUTER_DEAD_LETTER_OFFSETS="0/1"):
        letters = await _letters(cluster, 1)
        await read(cluster, EVENTS, 2)
    names = [orjson.loads(record.value)["name"] for record in await everything(cluster, EVENTS)]
    assert names == ["Began", "Came after"]
    assert letters == [("set_aside", 1, len(refused))]
