"""What a consumer tells of itself while partitions come, go and are worked on."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from structlog.testing import capture_logs

from streams import metrics
from streams.engine import gauges
from streams.engine.consumer import Consumer
from streams.kafka import log_bounds
from streams.outcomes import Blocked
from tests.streams.delivery import simulated_time
from tests.streams.engine.scripted import HERE, Kafka, Work, chunks, log, rebalance
from tests.streams.engine.unstarted import consumer_of


@pytest.fixture
async def script() -> Kafka:
    return Kafka()


@pytest.fixture
async def assigned(script: Kafka) -> Consumer:
    consumer = consumer_of(script, Work(), {HERE})
    await consumer.take_over(frozenset({HERE}), 1)
    assert isinstance(consumer, Consumer)
    return consumer


def shown(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"mparticle_streams_{name}") or 0.0


async def test_each_takeover_is_a_rebalance_and_each_giving_away_a_drain(
    assigned: Consumer,
) -> None:
    before = shown("rebalances_total"), shown("drain_duration_seconds_count")
    await rebalance(assigned)

    assert (shown("rebalances_total"), shown("drain_duration_seconds_count")) == (
        before[0] + 1,
        before[1] + 1,
    )


async def test_the_log_of_what_is_assigned_is_asked_for(script: Kafka, assigned: Consumer) -> None:
    script.first, script.end = 3, 40
    await assigned.learn_log_bounds()
    partition = assigned.partitions[HERE]

    assert (partition.bounds, partition.lag) == ((3, 40), 40)


async def test_what_stands_behind_an_open_transaction_is_lag(
    script: Kafka, assigned: Consumer
) -> None:
    script.end, script.open_from = 40, 5
    await assigned.learn_log_bounds()

    assert assigned.partitions[HERE].lag == 40


async def test_without_partitions_nothing_is_asked(script: Kafka, assigned: Consumer) -> None:
    await assigned.drain()
    script.log_bounds = None  # type: ignore[method-assign,assignment]
    await assigned.learn_log_bounds()

    assert assigned.partitions == {}


async def test_what_is_read_is_counted_and_dated(script: Kafka, assigned: Consumer) -> None:
    script.fetched = [log(0, 1, 2)]
    (chunk,) = await chunks(assigned)
    partition = assigned.partitions[HERE]
    partition.mark_ended(0)

    assert partition.read == 3
    assert partition.oldest_at == chunk.records[1].timestamp // 1000


async def test_what_ended_before_a_rebalance_is_counted_too(
    script: Kafka, assigned: Consumer
) -> None:
    before = metrics.total(metrics.RECORDS_ENDED)
    script.fetched = [log(0, 1, 2)]
    await chunks(assigned)
    assigned.partitions[HERE].mark_ended(1)
    await rebalance(assigned)

    assert metrics.total(metrics.RECORDS_ENDED) == before + 1


async def test_a_line_sums_up_what_was_done_and_what_waits(
    script: Kafka, assigned: Consumer
) -> None:
    summary = gauges.Summary()
    script.fetched = [log(0, 1, 2)]
    await chunks(assigned)
    assigned.partitions[HERE].mark_ended(0)
    blocked = Blocked("bad_key", "Set the key.")
    with capture_logs() as lines:
        gauges.log_summary(summary, assigned.partitions.values(), blocked, str)

    told = {"read": 3, "ended": 1, "rejected": 0, "waiting": 2, "blocked": "bad_key"}
    assert lines == [{"event": "summary", "log_level": "info", **told}]


class Frozen:
    """A leader that has answered once, and then answers nothing."""

    cluster = SimpleNamespace(leader_for_partition=lambda _: 1)
    since: float | None = None

    async def send(self, _node: int, _request: Any) -> Any:
        if self.since is not None:
            await asyncio.Event().wait()
        return SimpleNamespace(topics=[])

    def force_metadata_update(self) -> None:
        """It is asked of another broker."""


def test_a_broker_that_is_frozen_is_named_within_eight_seconds() -> None:
    async def named_after() -> float:
        client, here = Frozen(), TopicPartition("mparticle-raw", 0)
        consumer: Any = SimpleNamespace(_client=client)
        named: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def look() -> None:
            if client.since is None:
                await log_bounds.ask(consumer, [], committed=True)
                client.since = simulated_time.now()
                return
            answers = await log_bounds.ask(consumer, [here], committed=True)
            assert isinstance(answers[here], KafkaError)
            if not named.done():
                named.set_result(simulated_time.now() - client.since)

        looking = asyncio.create_task(gauges.keep_log_bounds(look))
        after = await named
        looking.cancel()
        return after

    assert simulated_time.run(named_after()) <= 8
