"""What is known of a partition's past when it goes on, and when it is read back for that."""

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from streams.engine.partition import Partition
from streams.kafka.commit_metadata import Progress
from streams.topics import EVENTS, USER_UPDATE
from tests.streams.delivery.flow import Flow, log, some_turns
from tests.streams.records import event, new_partition, stored, update_source

HERE = TP(EVENTS.name, 0)
COMMITTED = Progress(1, ((2, 3),))


def same(offset: int) -> ConsumerRecord:
    """One event of user 17, however often it was produced."""
    record = event("17", "passes", "1")
    return stored(record, offset)


async def left(flow: Flow) -> None:
    """A partition was here; of three records that ended two were committed before it went."""
    partition = await flow.assign()
    await flow.accept(partition, [same(0), *log(*[("18", "passes")] * 2, start=1)])
    await flow.settled(partition)
    partition.was_committed(COMMITTED)
    await flow.revoke(partition)
    flow.past.read_back.clear()
    flow.sink.delivered.clear()


async def test_a_partition_that_comes_is_read_back() -> None:
    async with Flow().running() as flow:
        await flow.assign()

    assert flow.past.read_back == [HERE]


async def test_one_that_comes_back_where_it_was_left_is_not_read_again_and_all_is_still_known() -> (
    None
):
    """Also what was not committed: nobody else went on with it."""
    async with Flow().running() as flow:
        await left(flow)
        again = await flow.assign(COMMITTED)
        await flow.accept(again, [*log(("18", "passes"), start=1), same(3)])
        await flow.settled(again)

    assert flow.past.read_back == []
    assert flow.sink.delivered == []


ANOTHER_WENT_ON = {
    "to a higher offset": Progress(3),
    "with another record beyond the same offset": Progress(1, ((2, 4),)),
    "and a person moved the offset": Progress(1, epoch=7),
}


@pytest.mark.parametrize("progress", ANOTHER_WENT_ON.values(), ids=ANOTHER_WENT_ON.keys())
async def test_one_that_comes_back_elsewhere_is_read_again(progress: Progress) -> None:
    async with Flow().running() as flow:
        await left(flow)
        await flow.assign(progress)

    assert flow.past.read_back == [HERE]


async def test_what_ended_before_a_person_moved_the_offset_is_sent_again() -> None:
    async with Flow().running() as flow:
        await left(flow)
        again = await flow.assign(Progress(0, epoch=7))
        await flow.accept(again, [same(0)])
        await flow.settled(again)

    assert flow.sink.delivered == ["1"]


async def test_one_that_went_to_another_worker_in_between_is_read_again() -> None:
    """Its ids took room that the partitions needed which were here meanwhile."""
    async with Flow().running() as flow:
        await left(flow)
        await flow.revoke(await flow.assign(number=1))
        await flow.assign(COMMITTED)

    assert flow.past.read_back == [TP(EVENTS.name, 1), HERE]


async def test_one_that_went_before_it_was_read_back_is_read_again() -> None:
    async with Flow(past=[same(0)]).running() as flow:
        flow.past.only(0)
        partition = new_partition(1)
        await flow.delivery.assigned([partition])
        await some_turns()
        await flow.revoke(partition)
        flow.past.readable.release()
        again = await flow.assign(1)
        await flow.accept(again, [same(1)])
        await flow.settled(again)

    assert not partition.started
    assert flow.past.read_back == [HERE]
    assert flow.sink.delivered == []


async def test_what_goes_again_before_its_turn_is_not_read_at_all() -> None:
    async with Flow().running() as flow:
        gone = new_partition(1)
        await flow.delivery.assigned([gone])
        await flow.revoke(gone)
        await flow.assign(1)

    assert not gone.started
    assert flow.past.read_back == [HERE]


def of_two_numbers() -> tuple[Partition, Partition, Partition, Partition]:
    """User-updates and events, both of partitions 0 and 1."""
    updates = [new_partition(number=number, topic=USER_UPDATE.name) for number in (0, 1)]
    events = [new_partition(number=number) for number in (0, 1)]
    return updates[0], events[0], updates[1], events[1]


async def test_a_number_goes_on_when_its_own_past_is_known() -> None:
    async with Flow().running() as flow:
        flow.past.only(1)
        updates, events, *others = of_two_numbers()
        await flow.delivery.assigned([*others, events, updates])
        await flow.until(lambda: updates.started)
        flow.updates.end = 1
        await flow.accept(events, log(("17", "passes")))
        await some_turns()
        await flow.accept(updates, [update_source("17", "passes", 0)])
        await flow.settled(updates, events)

        assert not any(other.started for other in others)

        flow.past.readable.release()
        await flow.until(lambda: all(other.started for other in others))

    assert flow.sink.delivered == ["17/update/0", "17/0/0"]


async def test_no_event_goes_on_before_the_updates_of_its_number_are_known() -> None:
    """They hold changes of addresses, without which it would be sent to another profile."""
    async with Flow().running() as flow:
        await left(flow)
        flow.past.only(0)
        events, updates = new_partition(COMMITTED), new_partition(topic=USER_UPDATE.name)
        await flow.delivery.assigned([events, updates])
        await some_turns()

        assert (events.started, updates.started) == (False, False)

        flow.past.readable.release()
        await flow.until(lambda: events.started)

    assert flow.past.read_back == [updates.tp]


async def test_what_was_kept_does_not_wait_for_what_must_be_read() -> None:
    async with Flow().running() as flow:
        await left(flow)
        flow.past.only(0)
        kept, other = new_partition(COMMITTED), new_partition(number=1)
        await flow.delivery.assigned([other, kept])
        await flow.until(lambda: kept.started)

        assert not other.started


async def test_what_is_assigned_shares_what_a_worker_may_remember() -> None:
    async with Flow().running() as flow:
        await flow.delivery.assigned(partitions := of_two_numbers())
        await flow.until(lambda: all(partition.started for partition in partitions))

    assert flow.past.shares == [10_000 // 4]


async def test_what_the_reading_raises_ends_the_worker() -> None:
    flow = Flow()
    flow.past.broken = True
    with pytest.raises(ExceptionGroup) as raised:
        async with flow.running():
            await flow.assign()

    assert raised.group_contains(ZeroDivisionError)
