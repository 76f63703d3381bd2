"""Updates first: an event does not overtake an update of the same user that came before it."""

import asyncio
from collections.abc import Callable

import pytest
from faust.types import TP

from streams import metrics
from streams.delivery.lane import Item, Lane
from streams.delivery.ordering.update_barrier import UpdateBarrier
from streams.delivery.sink import LaneKey
from streams.engine.partition import Partition
from streams.outcomes import Outcome
from streams.topics import EVENTS, USER_UPDATE
from tests.streams.delivery import simulated_time
from tests.streams.delivery.flow import AT_ONCE, Flow, KnownEnd, log, some_turns
from tests.streams.delivery.scripted import Request, ScriptedSink
from tests.streams.records import new_partition, update_source

UPDATES, ITS_EVENTS = TP(USER_UPDATE.name, 0), TP(EVENTS.name, 0)


def overtaken() -> float:
    return (
        metrics.REGISTRY.get_sample_value("mparticle_streams_update_barrier_timeouts_total") or 0.0
    )


async def topics_of(flow: Flow, *updates: tuple[str, str]) -> tuple[Partition, Partition]:
    """Partition 0 of both topics, these updates standing in Kafka before anything else."""
    flow.updates.end = len(updates)
    return await flow.assign(topic=USER_UPDATE), await flow.assign()


def stored(*updates: tuple[str, str]) -> list[object]:
    return [update_source(user, fate, offset) for offset, (user, fate) in enumerate(updates)]


async def test_an_event_waits_for_the_update_of_its_user_that_is_in_flight() -> None:
    given = [("17", "hangs")]
    async with Flow().running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(updates, stored(*given))
        await flow.accept(events, log(("17", "passes"), ("18", "passes")))
        await some_turns()

        assert flow.sink.delivered == ["18/0/1"]

        flow.sink.released.set()
        await flow.settled(updates, events)

    assert flow.sink.delivered == ["18/0/1", "17/update/0", "17/0/0"]


@pytest.mark.parametrize("turns", range(15))
async def test_an_event_does_not_overtake_its_update_while_both_are_given_away(turns: int) -> None:
    given = [(str(user), "hangs") for user in range(4)]
    async with Flow(connections=16).running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(updates, stored(*given))
        await some_turns()
        await flow.accept(events, log(*[(user, "passes") for user, _ in given]))
        for _ in range(turns):
            await asyncio.sleep(0)
        await flow.revoke(updates, events, deadline=0.01)

    assert flow.sink.delivered == []


async def test_an_event_waits_for_updates_that_were_not_even_read() -> None:
    given = [("18", "passes"), ("17", "fails twice")]
    async with Flow().running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(events, log(("17", "passes")))
        await some_turns()
        before = list(flow.sink.delivered)
        await flow.accept(updates, stored(*given)[:1])
        await some_turns()
        await flow.accept(updates, stored(*given)[1:])
        await flow.settled(updates, events)

    assert before == []
    assert flow.sink.delivered == ["18/update/0", "17/update/1", "17/0/0"]


@pytest.mark.parametrize(
    "fate", ["is refused", "has no place", "is not wanted", "breaks the mapping", "fails twice"]
)
async def test_however_the_update_ends_the_event_goes_on(fate: str) -> None:
    given = [("17", fate)]
    async with Flow().running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(events, log(("17", "passes")))
        await flow.accept(updates, stored(*given))
        await flow.settled(updates, events)

    assert flow.sink.delivered[-1] == "17/0/0"


async def test_an_update_that_came_later_is_not_waited_for() -> None:
    async with Flow().running() as flow:
        updates, events = await topics_of(flow)
        await flow.accept(updates, stored(("17", "hangs")))
        await flow.accept(events, log(("17", "passes")))
        await flow.settled(events)

    assert flow.sink.delivered == ["17/0/0"]


async def test_an_update_never_waits_for_an_event() -> None:
    async with Flow().running() as flow:
        updates, events = await topics_of(flow)
        await flow.accept(events, log(("17", "hangs")))
        await flow.until(lambda: flow.sink.requests)
        await flow.accept(updates, stored(("17", "passes")))
        await flow.settled(updates)

    assert flow.sink.delivered == ["17/update/0"]


@pytest.mark.parametrize("read", [True, False])
def test_after_a_set_time_an_event_goes_first_and_it_is_counted(read: bool) -> None:
    before = overtaken()
    given = [("17", "hangs")]

    async def story() -> list[str]:
        async with Flow().running() as flow:
            updates, events = await topics_of(flow, *given)
            if read:
                await flow.accept(updates, stored(*given))
            await flow.accept(events, log(("17", "passes")))
            await asyncio.sleep(AT_ONCE.updates_s)
            await some_turns()
            return flow.sink.delivered

    assert simulated_time.run(story()) == ["17/0/0"]
    assert overtaken() == before + 1


async def test_the_order_of_events_stands_behind_an_update() -> None:
    given = [("17", "fails twice")]
    async with Flow(most=1).running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(updates, stored(*given))
        await flow.accept(events, log(*[("17", "passes")] * 10))
        await flow.settled(updates, events)

    assert flow.sink.delivered == ["17/update/0", *(f"17/0/{offset}" for offset in range(10))]


async def test_a_request_carries_no_event_whose_update_has_not_ended() -> None:
    """The first event may go; the one behind it came after an update that is still under way."""
    async with Flow().running() as flow:
        updates, events = await topics_of(flow)
        await flow.accept(events, log(("17", "hangs")))
        await flow.until(lambda: flow.sink.requests)
        await flow.accept(events, log(("17", "passes"), start=1))
        await flow.accept(updates, stored(("17", "always fails")))
        await flow.until(lambda: len(flow.sink.requests) > 2)
        flow.updates.end = 1
        await flow.accept(events, log(("17", "passes"), start=2))
        await some_turns()
        flow.sink.released.set()
        await some_turns()

    assert flow.sink.delivered == ["17/0/0", "17/0/1"]


@pytest.mark.parametrize("read", [True, False])
async def test_a_revocation_does_not_wait_for_updates(read: bool) -> None:
    given = [("17", "hangs")]
    async with Flow().running() as flow:
        updates, events = await topics_of(flow, *given)
        if read:
            await flow.accept(updates, stored(*given))
        await flow.accept(events, log(("17", "passes")))
        await some_turns()
        await flow.revoke(updates, events, deadline=0.01)
        flow.sink.released.set()
        await some_turns()

    assert flow.sink.delivered == []
    assert events.progress.offset == 0


def test_in_a_lane_of_both_an_event_does_not_wait_for_an_update_behind_it() -> None:
    """The update came too late and stands behind it: neither could ever go first."""
    given = [("17", "passes")]

    async def story() -> list[str]:
        async with Flow(one_lane=True, most=1).running() as flow:
            updates, events = await topics_of(flow, *given)
            await flow.accept(events, log(("17", "hangs"), ("17", "passes")))
            await asyncio.sleep(AT_ONCE.updates_s)
            await some_turns()
            assert flow.sink.requests
            await flow.accept(updates, stored(*given))
            await some_turns()
            flow.sink.released.set()
            await some_turns()
            return flow.sink.delivered

    assert simulated_time.run(story()) == ["17/0/0", "17/0/1", "17/update/0"]


async def test_nobody_is_remembered_once_nothing_waits() -> None:
    given = [(str(user), "fails twice") for user in range(20)]
    async with Flow().running() as flow:
        updates, events = await topics_of(flow, *given)
        await flow.accept(updates, stored(*given))
        await flow.accept(events, log(*[(user, "passes") for user, _ in given]))
        await flow.settled(updates, events)

        assert flow.barrier.users == 0


class Looked(int):
    """A barrier that counts how often an update's offset was compared with it."""

    times = 0

    def __gt__(self, other: int) -> bool:
        Looked.times += 1
        return int(self) > other


async def test_a_record_looks_at_one_update_of_its_user_however_many_wait() -> None:
    """With a look at each, the thousands of a busy user held up everybody's requests."""
    barrier = UpdateBarrier(USER_UPDATE.name, KnownEnd(), AT_ONCE)
    updates, events = new_partition(topic=USER_UPDATE.name), new_partition()
    of_updates = Lane(LaneKey("user", "17"))
    for offset in range(1000):
        update = Item(update_source("17", "passes", offset), updates, 0, user="17")
        barrier.track(update, of_updates)
    lane = Lane(LaneKey("event", "17"))
    for each in log(("17", "passes"), ("17", "passes")):
        lane.append(Item(each, events, 0, user="17", barrier=Looked(0)))

    assert barrier.count_ready(lane, lambda: None) == 2
    assert Looked.times == 2


class SlowSink(ScriptedSink):
    """A destination that takes a second for each request."""

    async def send(self, request: Request) -> Outcome:
        await asyncio.sleep(1)
        return await super().send(request)


async def each_second_until(reached: Callable[[], bool]) -> None:
    """Looks in simulated time, of which it takes ten minutes at most."""
    async with asyncio.timeout(600):
        while not reached():  # noqa: ASYNC110 - the subject is when it was reached
            await asyncio.sleep(1)


@pytest.mark.parametrize("fate", ["passes", "all wait once"])
def test_an_event_waits_for_an_update_that_waits_for_its_turn(fate: str) -> None:
    """A large import: what users did meanwhile started flows on profiles of before it."""
    before = overtaken()
    first = [("7", fate)]
    given = [*first, *((str(user), "passes") for user in range(100))]

    async def story() -> list[str]:
        async with Flow(destination=SlowSink(1), connections=1).running() as flow:
            updates, events = await topics_of(flow, *given)
            await flow.accept(updates, stored(*given))
            await flow.accept(events, log(("99", "passes"), ("7", "passes")))
            await each_second_until(lambda: not (updates.offsets.waiting or events.offsets.waiting))
            return flow.sink.delivered

    order = simulated_time.run(story())
    assert order.index("99/0/0") > order.index("99/update/100")
    assert order.index("7/0/1") > order.index("7/update/0")
    assert overtaken() == before


@pytest.mark.parametrize("fate", ["always fails", "hangs"])
def test_an_update_that_fails_while_others_move_is_waited_for_thirty_seconds(fate: str) -> None:
    before = overtaken()
    given = [("17", fate), *((str(user), "passes") for user in range(100, 500))]

    async def story() -> tuple[float, int]:
        async with Flow(destination=SlowSink(1), connections=8).running() as flow:
            updates, events = await topics_of(flow, *given)
            await flow.accept(updates, stored(*given))
            await flow.accept(events, log(("17", "passes")))
            await each_second_until(lambda: not events.offsets.waiting)
            return simulated_time.now(), updates.offsets.waiting

    took, waiting = simulated_time.run(story())

    assert AT_ONCE.updates_s <= took <= AT_ONCE.updates_s + 5
    assert waiting > 1
    assert overtaken() == before + 1


def test_an_update_behind_what_cannot_go_is_waited_for_thirty_seconds() -> None:
    """Its lane has had its turn, and not come to it: it does not wait for a turn any more."""

    async def story() -> float:
        barrier = UpdateBarrier(USER_UPDATE.name, KnownEnd(), AT_ONCE)
        updates, events = new_partition(topic=USER_UPDATE.name), new_partition()
        tracked = [
            Item(update_source(user, "passes", offset), updates, 0, user=user)
            for offset, user in enumerate(["17", *map(str, range(100, 200))])
        ]
        [event] = log(("17", "passes"))
        stuck, waiting = Lane(LaneKey("user", "17")), Lane(LaneKey("event", "17"))
        stuck.append(Item(event, events, 0, user="17"))
        waiting.append(Item(event, events, 0, user="17", barrier=len(tracked)))
        stuck.append(tracked[0])
        for each in tracked:
            barrier.track(each, stuck if each is tracked[0] else Lane(LaneKey("user", each.user)))
        barrier.count_ready(stuck, lambda: None)
        woken = asyncio.Event()
        assert not barrier.count_ready(waiting, woken.set)
        for other in tracked[1:]:
            await asyncio.sleep(1)
            barrier.finish(other)
            if woken.is_set():
                break
        assert barrier.count_ready(waiting, lambda: None) == 1
        return simulated_time.now()

    assert AT_ONCE.updates_s <= simulated_time.run(story()) <= AT_ONCE.updates_s + 1


async def test_a_backlog_of_updates_that_moves_is_waited_for_however_long_it_takes() -> None:
    """A leave that overtook its user's change of address was of another profile, and got lost."""
    end = KnownEnd()
    end.end = 10
    barrier = UpdateBarrier(USER_UPDATE.name, end, AT_ONCE)
    barrier.begin(new_partition(topic=USER_UPDATE.name))
    barrier.advance(UPDATES, 5)
    an_hour_ago = asyncio.get_running_loop().time() - 3600
    waiting = asyncio.create_task(barrier.wait_for_updates(ITS_EVENTS, an_hour_ago))
    await some_turns()

    assert not waiting.done()

    barrier.advance(UPDATES, 10)
    assert await waiting == 10


async def test_an_event_waits_for_no_update_that_is_not_to_be_read_before_it() -> None:
    """As while partitions were added: the event was there before, the update came since."""
    end = KnownEnd()
    end.end = 10
    barrier = UpdateBarrier(USER_UPDATE.name, end, AT_ONCE)
    updates = new_partition(topic=USER_UPDATE.name)
    updates.read_limit = 5
    barrier.begin(updates)
    barrier.advance(UPDATES, 4)
    now = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(barrier.wait_for_updates(ITS_EVENTS, now))
    await some_turns()

    assert not waiting.done()

    barrier.advance(UPDATES, 5)
    assert await waiting == 5


async def test_an_event_waits_for_updates_of_a_partition_that_has_not_started() -> None:
    # As while nobody leads it, or what ended in it is still read back.
    given = [("17", "passes")]
    async with Flow().running() as flow:
        flow.updates.end = len(given)
        events = await flow.assign()
        await flow.accept(events, log(("17", "passes")))
        await some_turns()
        before = list(flow.sink.delivered)
        updates = await flow.assign(topic=USER_UPDATE)
        await flow.accept(updates, stored(*given))
        await flow.settled(updates, events)

    assert before == []
    assert flow.sink.delivered == ["17/update/0", "17/0/0"]
