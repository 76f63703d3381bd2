"""One user who keeps failing while others pass: a set time, then dead letters, then little more."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from streams.delivery.policy import RetryPolicy
from streams.engine.partition import Partition
from tests.streams.delivery.flow import AT_ONCE, Flow, log, some_turns

MINUTE = 60.0


class Minutes:
    """A clock to be set, in place of the delivery's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        for module in ("lane", "sending.turn", "sending.circuit_breaker"):
            monkeypatch.setattr(
                f"streams.delivery.{module}.clocks", SimpleNamespace(monotonic=lambda: self.now)
            )


async def exhausted(flow: Flow, clock: Minutes) -> Partition:
    """User 17 fails for more than fifteen minutes, while others pass, and loses his record."""
    partition = await flow.given(("17", "always fails"))
    for minute in range(17):
        await flow.accept(partition, log((f"other {minute}", "passes"), start=1 + minute))
        await some_turns()
        clock.now += MINUTE
    await flow.settled(partition)
    assert flow.letters.told == [(0, "retries_exhausted")]
    flow.sink.delivered.clear()
    return partition


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Minutes:
    return Minutes(monkeypatch)


async def test_a_user_who_fails_for_fifteen_minutes_loses_what_fails_and_is_not_tried_for_long(
    clock: Minutes,
) -> None:
    """All that waits of his is tried once more; nothing asks for another fifteen minutes."""
    async with Flow().running() as flow:
        partition = await flow.given(*[("17", "always fails")] * 8)
        letters_by_minute = []
        for minute in range(18):
            await flow.accept(partition, log(("18", "passes"), start=8 + minute))
            await some_turns()
            letters_by_minute.append(len(flow.letters.written))
            clock.now += MINUTE

    assert letters_by_minute[:15] == [0] * 15
    assert letters_by_minute[-1] == 8
    assert {reason for _, reason in flow.letters.told} == {"retries_exhausted"}
    assert [offset for offset, _ in flow.letters.told] == list(range(8))
    assert len(flow.sink.delivered) == 18


async def test_while_set_aside_a_user_is_tried_once_and_one_that_passes_ends_it(
    clock: Minutes,
) -> None:
    async with Flow().running() as flow:
        partition = await exhausted(flow, clock)
        clock.now += 30 * MINUTE
        await flow.accept(partition, log(("17", "fails once"), start=18))
        await flow.settled(partition)
        await flow.accept(partition, log(("17", "passes"), ("17", "fails once"), start=19))
        await flow.settled(partition)

    assert [offset for offset, _ in flow.letters.told] == [0, 18]
    assert flow.letters.written[1].attempts == 1
    assert flow.sink.delivered == ["17/0/19", "17/0/20"]


async def test_a_user_is_no_longer_set_aside_after_an_hour(clock: Minutes) -> None:
    async with Flow().running() as flow:
        partition = await exhausted(flow, clock)
        clock.now += 61 * MINUTE
        await flow.accept(partition, log(("17", "fails once"), start=18))
        await flow.settled(partition)

    assert [offset for offset, _ in flow.letters.told] == [0]
    assert flow.sink.delivered == ["17/0/18"]


async def test_while_nothing_else_passes_patience_has_no_end(clock: Minutes) -> None:
    """One user is all there is, or all there is fails: that is an outage, and no fault of his."""
    async with Flow().running() as flow:
        partition = await flow.given(("17", "fails six times"))
        for _ in range(5):
            await some_turns()
            clock.now += 60 * MINUTE
        await flow.settled(partition)

    assert flow.letters.told == []
    assert flow.sink.delivered == ["17/0/0"]


async def test_hours_in_which_a_user_was_not_tried_do_not_count_against_him(
    clock: Minutes,
) -> None:
    """He fails, then the destination is away for hours, and he fails once when it is back."""
    slower = replace(AT_ONCE, retry=RetryPolicy(backoff_s=(0.02,)))
    async with Flow(policy=slower).running() as flow:
        partition = await flow.given(("17", "fails twice"))
        await flow.until(lambda: flow.sink.requests)
        await some_turns()
        clock.now += 180 * MINUTE
        await flow.settled(partition)

    assert flow.letters.told == []
    assert flow.sink.delivered == ["17/0/0"]
