"""A record that comes again is delivered once: in flight, ended, and from the log's memory."""

import pytest
from aiokafka.structs import ConsumerRecord

from streams.kafka.commit_metadata import Progress
from tests.routed import written
from tests.streams.delivery.flow import Flow, log
from tests.streams.records import event, event_source, source, stored


def same(offset: int, fate: str = "passes", epoch: int = 0) -> ConsumerRecord:
    """The same event of user 17, produced once more."""
    record = event("17", fate, "1")
    return stored(record, offset, epoch=epoch)


async def test_a_record_that_comes_again_after_it_ended_is_not_sent() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [same(0)])
        await flow.settled(partition)
        await flow.accept(partition, [same(1), same(2)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1"]
    assert partition.progress == Progress(3)


async def test_a_record_that_comes_again_while_it_is_in_flight_ends_with_it() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [same(0, "hangs"), same(1, "hangs")])
        await flow.until(lambda: flow.sink.requests)
        await flow.accept(partition, [same(2, "hangs"), *log(("18", "passes"), start=3)])
        await flow.until(lambda: flow.sink.delivered)

        assert partition.progress == Progress(0, ((3, 4),))

        flow.sink.released.set()
        await flow.settled(partition)

    assert flow.sink.delivered == ["18/0/3", "1"]
    assert partition.progress == Progress(4)


@pytest.mark.parametrize("fate", ["is refused", "has no place", "is not wanted"])
async def test_repeats_of_what_is_not_delivered_end_with_one_dead_letter_at_most(
    fate: str,
) -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [same(0, fate), same(1, fate)])
        await flow.settled(partition)
        await flow.accept(partition, [same(2, fate)])
        await flow.settled(partition)

    assert flow.sink.delivered == []
    assert len(flow.letters.written) == (fate != "is not wanted")
    assert partition.progress == Progress(3)


async def test_a_record_of_another_epoch_is_meant_to_arrive_again() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [same(0), same(1, epoch=5), same(2, epoch=5)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1", "1"]


async def test_records_without_an_id_are_never_taken_for_each_other() -> None:
    value = written(event("17", "passes", "1")).value
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, [source(value, 0), source(value, 1)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["1", "1"]


async def test_what_ended_before_this_worker_came_is_not_sent_again() -> None:
    async with Flow(past=[same(3)]).running() as flow:
        partition = await flow.assign(4)
        await flow.accept(partition, [same(4), *log(("18", "passes"), start=5)])
        await flow.settled(partition)

    assert flow.sink.delivered == ["18/0/5"]


FOREIGN = {
    "does not parse": b"{",
    "has no value": None,
    "has another shape": b'{"kind": "custom_event"}',
}


@pytest.mark.parametrize("value", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_record_of_the_past_that_no_one_can_read_keeps_no_worker_from_starting(
    value: bytes | None,
) -> None:
    """It became a dead letter when it came; its kind may still be one that a sink recalls."""
    past = [source(value, 0, headers=[("id", b"0"), ("kind", b"custom_event")])]
    flow = Flow(past=[*past, event_source("17", "passes", 1)])
    flow.sink.recalls = {b"custom_event"}
    async with flow.running():
        partition = await flow.assign(2)
        await flow.accept(partition, log(("17", "passes"), start=2))
        await flow.settled(partition)

    assert flow.sink.recalled == ["17/0/1"]
    assert flow.sink.delivered == ["17/0/2"]
