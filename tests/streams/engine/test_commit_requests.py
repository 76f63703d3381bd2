"""What is committed arrives, whatever size the brokers take; a fake takes what it is told to."""

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    InvalidCommitOffsetSizeError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kafka import Kafka
from streams.engine.commit_requests import Call, CommitRequests
from streams.engine.startup import read_progress
from streams.kafka import topic_admin
from streams.kafka.clients import admin
from streams.kafka.commit_metadata import MAX_LENGTH, Progress, decode
from streams.topics import PRIVACY_REQUESTS
from tests.streams.cluster import assigned, settings
from tests.streams.properties import SMALL
from tests.streams.records import CLUSTER

HEAD = 60
"""About what a text has without a run."""


class Brokers:
    """Take texts and calls of so many bytes, as coordinators of today and of before judge them."""

    def __init__(self, text: int = MAX_LENGTH, call: int = 1_000_000) -> None:
        self.text, self.call = text, call
        self.calls = 0
        self.taken: dict[TopicPartition, OffsetAndMetadata] = {}

    async def commit(self, call: Call) -> None:
        self.calls += 1
        too_large = UnknownError if self.calls % 2 else InvalidCommitOffsetSizeError
        fits = {tp: each for tp, each in call.items() if len(each.metadata) <= self.text}
        if sum(len(each.metadata) + 100 for each in fits.values()) > self.call:
            raise too_large
        # Of a call Kafka takes those partitions whose texts fit.
        self.taken |= fits
        if len(fits) < len(call):
            raise OffsetMetadataTooLargeError

    def read(self) -> dict[TopicPartition, Progress | None]:
        return {tp: decode(each.metadata, each.offset, CLUSTER) for tp, each in self.taken.items()}


def progress(partitions: int, runs: int) -> dict[TopicPartition, Progress]:
    ended = tuple((2 * n + 1, 2 * n + 2) for n in range(runs))
    return {
        TopicPartition("events", number): Progress(0, ended, epoch=7)
        for number in range(partitions)
    }


@given(
    st.integers(1, 60), st.integers(0, 1_500), st.integers(HEAD, 5_000), st.integers(500, 300_000)
)
@SMALL
async def test_every_partition_is_committed_with_runs_that_are_true_and_fit(
    partitions: int, runs: int, text: int, call: int
) -> None:
    brokers = Brokers(text, call)
    offered = progress(partitions, runs)
    await CommitRequests(brokers.commit).offer(offered, CLUSTER)

    back = brokers.read()
    assert back.keys() == offered.keys()
    for tp, each in back.items():
        assert each is not None
        assert (each.offset, each.epoch) == (0, 7)
        assert each.ended == offered[tp].ended[: len(each.ended)]


async def test_four_hundred_partitions_full_of_runs_are_not_one_call() -> None:
    brokers = Brokers()
    await CommitRequests(brokers.commit).offer(progress(400, 1_000), CLUSTER)

    assert len(brokers.taken) == 400
    assert brokers.calls > 1


async def test_what_was_learned_is_not_tried_again() -> None:
    brokers = Brokers(text=1_000)
    offering = CommitRequests(brokers.commit)
    await offering.offer(progress(1, 1_000), CLUSTER)
    before = brokers.calls
    await offering.offer(progress(1, 1_000), CLUSTER)

    assert brokers.calls == before + 1
    (back,) = brokers.read().values()
    assert back is not None
    assert len(back.ended) > 100


@pytest.mark.parametrize("runs", [0, 500])
async def test_a_text_that_is_too_long_without_any_run_is_refused_in_the_end(runs: int) -> None:
    """Without our text the offset would be one that a person set: all would be sent again."""
    brokers = Brokers(text=10)
    with pytest.raises(OffsetMetadataTooLargeError):
        await CommitRequests(brokers.commit).offer(progress(2, runs), CLUSTER)

    assert brokers.taken == {}


async def test_another_refusal_is_raised() -> None:
    async def refuse(_: Call) -> None:
        raise TopicAuthorizationFailedError("events")

    with pytest.raises(TopicAuthorizationFailedError):
        await CommitRequests(refuse).offer(progress(2, 0), CLUSTER)


@pytest.mark.kafka
async def test_brokers_that_take_less_than_kafkas_defaults_are_given_less(prefix: str) -> None:
    """The texts of all partitions are too long, and what would fit is too large together."""
    less = {"offset.metadata.max.bytes": 1_000, "message.max.bytes": 3_000}
    async with Kafka(settings=less) as kafka:
        to = settings(kafka, prefix, partitions=6)
        topic, group = to.topic(PRIVACY_REQUESTS.name), to.group("router")
        async with admin(to) as client:
            await client.create_topics([NewTopic(topic, 6, 1)])
            await topic_admin.wait_until_known(client, [topic])
        offered = {
            TopicPartition(topic, number): each
            for number, each in enumerate(progress(6, 1_000).values())
        }
        async with assigned(to, group, list(offered)) as consumer:
            await CommitRequests(consumer.commit).offer(offered, CLUSTER)
            back = await read_progress(consumer, list(offered), CLUSTER)

    assert back.keys() == offered.keys()
    for tp, each in back.items():
        assert len(each.ended) > 20
        assert each.ended == offered[tp].ended[: len(each.ended)]
