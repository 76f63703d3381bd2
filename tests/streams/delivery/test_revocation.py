"""Partitions that go: nothing is sent afterwards, and only what ended counts as ended."""

from collections.abc import Sequence
from typing import Any

import pytest

from streams.delivery.sink import Batch, LaneKey
from streams.kafka.commit_metadata import Progress
from tests.streams.delivery.flow import Flow, log, some_turns
from tests.streams.delivery.scripted import Request
from tests.streams.records import new_partition


async def test_what_was_in_flight_ends_and_what_waited_does_not() -> None:
    async with Flow(most=1).running() as flow:
        partition = await flow.given(("17", "hangs"), ("17", "passes"), ("18", "passes"))
        await flow.until(lambda: flow.sink.delivered)
        flow.sink.released.set()
        await flow.revoke(partition)

        assert partition.progress == Progress(1, ((2, 3),))

        sent = len(flow.sink.requests)
        await some_turns()
        await flow.accept(partition, log(("19", "passes"), start=3))
        await some_turns()

    assert len(flow.sink.requests) == sent == 2


@pytest.mark.parametrize("fate", ["hangs", "fails six times", "is blocked", "all wait once"])
async def test_nothing_is_sent_after_it_returned(fate: str) -> None:
    async with Flow(most=1).running() as flow:
        partition = await flow.given(*[(str(user), fate) for user in range(20)])
        await flow.until(lambda: flow.sink.requests)
        await flow.revoke(partition, deadline=0.01)
        sent = len(flow.sink.requests)
        flow.sink.released.set()
        flow.sink.mended.set()
        await some_turns()

    assert len(flow.sink.requests) == sent


async def test_a_request_that_hangs_is_cut_at_the_deadline_and_has_not_ended() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "hangs"))
        await flow.until(lambda: flow.sink.requests)
        await flow.revoke(partition, deadline=0.01)
        flow.sink.released.set()
        await some_turns()

    assert flow.sink.delivered == []
    assert partition.progress == Progress(0)


async def test_a_chunk_that_comes_while_the_partition_closes_is_not_sent() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "hangs"))
        await flow.until(lambda: flow.sink.requests)
        partition.closed = True
        await flow.accept(partition, log(("18", "passes"), start=1))
        flow.sink.released.set()
        await flow.delivery.revoked([partition], 5)
        await some_turns()

    assert flow.sink.delivered == ["17/0/0"]
    assert partition.progress == Progress(1)


async def test_a_large_chunk_is_left_in_the_middle_when_its_partition_closes() -> None:
    async with Flow().running() as flow:
        partition = await flow.assign()
        await flow.accept(partition, log(*[("17", "hangs")] * 1_000))
        await flow.until(lambda: flow.sink.requests)
        await flow.revoke(partition, deadline=0.01)
        await some_turns()

        assert len(flow.sink.requests) == 1

        again = await flow.assign(partition.progress)
        flow.sink.released.set()
        await flow.accept(again, log(*[("17", "passes")] * 1_000))
        await flow.settled(again)

    assert flow.sink.delivered == [f"17/0/{offset}" for offset in range(1_000)]


async def test_what_comes_back_goes_on_where_its_progress_says_and_in_order() -> None:
    fates = [("17", "hangs"), ("18", "passes"), ("17", "passes"), ("18", "passes")]
    async with Flow(most=1).running() as flow:
        partition = await flow.given(*fates)
        await flow.until(lambda: len(flow.sink.delivered) == 2)
        await flow.revoke(partition, deadline=0.01)
        flow.sink.released.set()
        again = await flow.assign(partition.progress)
        await flow.accept(again, log(*fates))
        await flow.settled(again)

    assert flow.sink.delivered == ["18/0/1", "18/0/3", "17/0/0", "17/0/2"]


async def test_what_ended_but_was_not_committed_is_not_sent_again_by_the_same_worker() -> None:
    async with Flow().running() as flow:
        partition = await flow.given(("17", "passes"), ("17", "passes"))
        await flow.settled(partition)
        await flow.revoke(partition)
        again = await flow.assign(0)
        await flow.accept(again, log(("17", "passes"), ("17", "passes")))
        await flow.settled(again)

    assert flow.sink.delivered == ["17/0/0", "17/0/1"]


async def test_a_revocation_before_anything_came_is_nothing() -> None:
    async with Flow().running() as flow:
        await flow.revoke(new_partition())
        partition = await flow.given(("17", "passes"))
        await flow.settled(partition)

    assert flow.sink.delivered == ["17/0/0"]


async def test_who_was_frozen_on_the_way_to_the_socket_sends_nothing_until_it_is_sure_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its endpoint had let the request go; others went on with its partitions meanwhile."""
    flow = Flow()
    fold = flow.sink.fold

    def frozen(lane: LaneKey, waiting: Sequence[Any]) -> Batch[Request]:
        flow.sink.fold = fold  # type: ignore[method-assign]  # once only
        flow.member = False
        return fold(lane, waiting)

    flow.sink.fold = frozen  # type: ignore[method-assign]  # the last of ours before the request
    async with flow.running():
        partition = await flow.given(("17", "passes"))
        await flow.until(lambda: not flow.member)
        await some_turns()
        before = len(flow.sink.requests)
        flow.member = True
        await flow.settled(partition)

    assert (before, flow.sink.delivered) == (0, ["17/0/0"])
