"""The numbers in the traffic, and what its ledger says of them."""

import asyncio
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from cli.demo.world import create_topics
from sandbox.kafka import Kafka
from sandbox.mparticle import Message
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.chaos.plan import draw
from tests.chaos.traffic import TAG, publish, tagged
from tests.sandbox.mparticle_reader import Reader, objects

NOW_MS = 1_790_000_000_000


def test_the_ledger_says_what_the_numbered_messages_say() -> None:
    traffic = tagged(draw(3, 2.0), NOW_MS)
    messages = list(traffic)
    reader = Reader(NOW_MS)
    for body in objects(dict.fromkeys(messages)):  # what comes again says nothing new
        reader.read(body)
    said = reader.profiles()
    ledger = traffic.ledger().profiles

    assert {email: profile.vars for email, profile in ledger.items()} == {
        email: said[email]["vars"] for email in ledger
    }
    assert sum(TAG in profile.vars for profile in ledger.values()) > len(ledger) / 4


def test_a_message_that_is_sent_again_keeps_its_number() -> None:
    messages = [each for each in tagged(draw(3, 2.0), NOW_MS) if each.key is not None]
    numbered = [each for each in messages if TAG.encode() in each.value]

    assert len(set(numbered)) < len(numbered)
    assert len({each.value for each in numbered}) == len(set(numbered))


@pytest.mark.kafka
async def test_publishing_that_is_given_up_does_not_wait_for_a_broker_that_is_gone(
    tmp_path: Path,
) -> None:
    """A broker could not be started again, and the run that was to say so never ended."""
    written = 0

    def counted() -> Iterator[Message]:
        nonlocal written
        for message in repeat(Message(None, b"{}")):
            written += 1
            yield message

    async with Kafka(tmp_path) as broker:
        await create_topics(KafkaSettings(bootstrap_servers=broker.bootstrap, topic_partitions=1))
        publishing = asyncio.create_task(
            publish(broker.bootstrap, RAW.name, counted(), rate=100.0, largest=1_000, stop_s=0.1)
        )
        while not written:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await broker.kill()
        before = written
        while written < before + 10:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        publishing.cancel()
        ended, _ = await asyncio.wait({publishing}, timeout=60)

    assert ended == {publishing}
