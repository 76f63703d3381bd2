"""What a sink has to prepare goes before the records that need it, and holds up nobody else."""

import asyncio

import pytest

from models.record import Record
from streams.delivery.sink import Prepares
from tests.streams.delivery import simulated_time
from tests.streams.delivery.flow import Flow, log, some_turns
from tests.streams.delivery.scripted import ScriptedSink


class Preparing(ScriptedSink, Prepares):
    """Events of user 17 need something that is there once `prepared` is done."""

    def __init__(self) -> None:
        super().__init__(100)
        self.prepared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def preparation(self, record: Record) -> asyncio.Future[None] | None:
        return None if self.prepared.done() or record.mpid != "17" else self.prepared


async def test_only_the_lane_that_needs_it_waits_and_without_a_connection() -> None:
    sink = Preparing()
    async with Flow(destination=sink, connections=1).running() as flow:
        partition = await flow.given(("17", "passes"), ("18", "passes"), ("17", "passes"))
        await some_turns()
        waiting = list(sink.delivered), flow.delivery.waits_on_purpose
        sink.prepared.set_result(None)
        await flow.settled(partition)
        settled = list(sink.delivered), flow.delivery.waits_on_purpose

    assert waiting == (["18/0/1"], True)
    assert settled == (["18/0/1", "17/0/0", "17/0/2"], False)


async def test_what_stands_before_it_in_the_lane_goes_and_what_stands_behind_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = Preparing()
    monkeypatch.setattr(
        sink, "preparation", lambda record: sink.prepared if record.id == "17/0/1" else None
    )
    async with Flow(destination=sink).running() as flow:
        await flow.given(*[("17", "passes")] * 3)
        await some_turns()

    assert sink.delivered == ["17/0/0"]


async def test_lanes_of_a_partition_that_is_gone_are_forgotten() -> None:
    sink = Preparing()
    async with Flow(destination=sink).running() as flow:
        partition = await flow.given(("17", "passes"))
        await some_turns()
        await flow.revoke(partition)
        still_waits = flow.delivery.waits_on_purpose
        sink.prepared.set_result(None)
        await some_turns()

    assert (still_waits, sink.requests) == (False, [])


async def test_a_partition_that_comes_back_waits_again() -> None:
    sink = Preparing()
    async with Flow(destination=sink).running() as flow:
        await flow.revoke(await flow.given(("17", "passes")))
        partition = await flow.assign()
        await flow.accept(partition, log(("17", "passes")))
        await some_turns()
        before = list(sink.delivered)
        sink.prepared.set_result(None)
        await flow.settled(partition)

    assert (before, sink.delivered) == ([], ["17/0/0"])


def test_what_is_not_prepared_for_long_is_named() -> None:
    """The watchdog excuses it: it is another worker's to do. So /ready must say it."""

    async def story() -> tuple[bool, bool, bool]:
        sink = Preparing()
        async with Flow(destination=sink).running() as flow:
            await flow.given(("17", "passes"))
            await some_turns()
            at_first = flow.delivery.blocked
            await asyncio.sleep(301)
            later = flow.delivery.blocked
            sink.prepared.set_result(None)
            await some_turns()
            in_the_end = flow.delivery.blocked
        assert later is not None
        assert later.reason == "not_prepared"
        return at_first is None, "other workers" in later.what_to_do, in_the_end is None

    assert simulated_time.run(story()) == (True, True, True)
