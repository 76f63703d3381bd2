"""What a command says of what it cannot read on, and who is told of it."""

from unittest.mock import Mock

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from streams.kafka import ranges
from streams.kafka.buffered_records import Fetched
from streams.kafka.clients import UnansweredError
from streams.kafka.ranges import Range
from streams.settings import KafkaSettings

AT = TopicPartition("eu-events", 1)


@pytest.mark.parametrize(
    ("fetched", "says"),
    [
        (
            Fetched(positions={AT: 41}, errors={AT: CorruptRecordException()}, behind={AT: 44}),
            (
                "The batch at offset 41 of eu-events-1 cannot be unpacked "
                "(CorruptRecordException), the next begins at 44: look at it with another client, "
            ),
        ),
        (
            Fetched(positions={AT: 41}, errors={AT: ValueError("no such codec")}),
            "The batch at offset 41 of eu-events-1 cannot be unpacked (ValueError): look at it ",
        ),
        (
            Fetched(positions={AT: 41}, errors={AT: TopicAuthorizationFailedError({AT.topic})}),
            (
                "Kafka does not let this user read on from offset 41 of eu-events-1: have it "
                "granted Read on the topic eu-events."
            ),
        ),
        (
            Fetched(positions={AT: 41}, errors={AT: OffsetOutOfRangeError({AT: 41})}),
            "Kafka has deleted offset 41 of eu-events-1 before it was read: run this again.",
        ),
    ],
    ids=["a corrupt batch before others", "a codec that nobody has", "a right", "retention"],
)
async def test_what_cannot_be_read_on_is_a_sentence_with_its_place_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, fetched: Fetched, says: str
) -> None:
    async def fetch(*_: object, **__: object) -> Fetched:
        return fetched

    monkeypatch.setattr(ranges, "fetch", fetch)
    consumer = Mock(AIOKafkaConsumer, **{"assignment.return_value": {AT}})
    reading = ranges.read(KafkaSettings(), consumer, [Range(AT, 41, 50)])
    with pytest.raises(UnansweredError) as raised:
        await anext(reading)
    assert str(raised.value).startswith(says)
