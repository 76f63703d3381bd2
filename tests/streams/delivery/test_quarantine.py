"""One user who keeps failing while others pass: a set time, then dead letters, then little more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams import clocks
from streams.delivery.policy import DeliveryPolicy
from tests.streams.delivery import simulated_time
from tests.streams.delivery.flow import Flow, log, some_turns
from tests.streams.delivery.scripted import NO_KEY, NO_RIGHTS
from tests.streams.delivery.simulated_time import now, pass_seconds

MINUTE = 60.0
HOUR = 60 * MINUTE


class Partition:
    """A partition of a delivery that waits as those of workers do."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.sink, self.letters = flow.sink, flow.letters
        self._length = 0

    async def assign(self) -> None:
        self._partition = await self.flow.assign()

    async def give(self, *fates: tuple[str, str]) -> None:
        await self.flow.accept(self._partition, log(*fates, start=self._length))
        self._length += len(fates)
        await some_turns()

    async def others_pass(self, seconds: float, every_s: float = 10.0) -> None:
        until = now() + seconds
        while now() < until:
            await self.give((f"other {self._length}", "passes"))
            await pass_seconds(every_s)

    def delivered_of(self, user: str) -> int:
        return sum(id_.startswith(f"{user}/") for id_ in self.sink.delivered)

    async def exhaust(self) -> None:
        """User 17 fails for more than fifteen minutes, while others pass, and loses a record."""
        await self.give(("17", "always fails"))
        await self.others_pass(17 * MINUTE)
        assert self.letters.told == [(0, "retries_exhausted")]
        self.letters.written.clear()


@asynccontextmanager
async def delivering() -> AsyncIterator[Partition]:
    async with Flow(policy=DeliveryPolicy()).running() as flow:
        partition = Partition(flow)
        await partition.assign()
        yield partition


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "monotonic", now)


def test_a_user_who_fails_for_fifteen_minutes_loses_what_fails_and_is_not_tried_for_long() -> None:
    """All that waits of theirs is given up soon: nothing asks for another fifteen minutes."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.give(*[("17", "always fails")] * 8)
            await partition.others_pass(15 * MINUTE)
            assert partition.letters.told == []
            await partition.others_pass(4 * MINUTE)
            assert partition.letters.told == [(n, "retries_exhausted") for n in range(8)]

    simulated_time.run(story())


def test_in_quarantine_a_second_failure_is_too_many_and_one_record_that_passes_ends_it() -> None:
    async def story() -> None:
        async with delivering() as partition:
            await partition.exhaust()
            await partition.give(("17", "fails six times"))
            await partition.others_pass(10.0, every_s=0.1)
            assert [letter.attempts for letter in partition.letters.written] == [2]

            await partition.give(("17", "passes"))
            await partition.others_pass(1.0)
            await partition.give(("17", "fails six times"))
            await partition.others_pass(2 * MINUTE, every_s=0.1)
            assert len(partition.letters.written) == 1
            assert partition.delivered_of("17") == 2

    simulated_time.run(story())


def test_a_user_is_no_longer_in_quarantine_after_an_hour() -> None:
    async def story() -> None:
        async with delivering() as partition:
            await partition.exhaust()
            await pass_seconds(HOUR)
            await partition.give(("17", "fails six times"))
            await partition.others_pass(2 * MINUTE, every_s=0.1)
            assert partition.letters.told == []
            assert partition.delivered_of("17") == 1

    simulated_time.run(story())


def test_while_nothing_else_passes_patience_has_no_end() -> None:
    """One user is all there is, or all fail: that is an outage, and no fault of theirs."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.give(("17", "always fails"))
            await pass_seconds(5 * HOUR)
            assert partition.letters.told == []

    simulated_time.run(story())


def test_an_outage_makes_no_dead_letters_of_a_lane_in_quarantine() -> None:
    """Nothing passes between its failures: they are the destination's."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.exhaust()
            await partition.others_pass(10 * MINUTE)
            await partition.give(*[("17", "fails six times")] * 3)
            await pass_seconds(10 * MINUTE)
            assert partition.letters.told == []
            assert partition.delivered_of("17") == 3

    simulated_time.run(story())


def test_what_was_on_its_way_when_a_lane_failed_does_not_say_that_others_pass() -> None:
    """As an outage begins, answers still come to what was asked before it."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.exhaust()
            await partition.give(("18", "hangs"), ("17", "fails six times"))
            partition.sink.released.set()
            await pass_seconds(10 * MINUTE)
            assert partition.delivered_of("18") == 1
            assert partition.letters.told == []
            assert partition.delivered_of("17") == 1

    simulated_time.run(story())


def test_a_batch_uses_up_its_patience_once() -> None:
    """Its parts are given no other fifteen minutes, also where the first of them pass."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.give(*[("17", "passes")] * 5, ("17", "always fails"))
            await partition.others_pass(18 * MINUTE)
            assert partition.letters.told == [(5, "retries_exhausted")]
            assert partition.delivered_of("17") == 5

    simulated_time.run(story())


def test_minutes_in_which_a_user_was_not_tried_do_not_count_against_them() -> None:
    """They fail, others pass, nothing is sent for half an hour, and they fail once more."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.give(("17", "fails twice"), ("18", "passes"))
            partition.flow.member = False
            await pass_seconds(30 * MINUTE)
            partition.flow.member = True
            await pass_seconds(MINUTE)
            assert partition.letters.told == []
            assert partition.delivered_of("17") == 1

    simulated_time.run(story())


def test_a_request_that_is_blocked_while_others_pass_is_its_lanes_own_failure() -> None:
    """A firewall may dislike what one user is called; it is no key and no setting."""

    async def story() -> None:
        async with delivering() as partition:
            await partition.give(("17", "is blocked"))
            await partition.others_pass(15 * MINUTE, every_s=1.0)
            assert partition.letters.told == []
            assert partition.flow.delivery.blocked is None
            await partition.others_pass(MINUTE, every_s=1.0)
            assert partition.letters.told == [(0, "retries_exhausted")]
            assert partition.letters.written[0].detail == "bad_key"
            assert len(partition.sink.delivered) == 16 * 60

    simulated_time.run(story())


def test_one_user_in_ten_who_is_blocked_does_not_hold_up_the_others() -> None:
    async def story() -> None:
        async with delivering() as partition:
            fates = ["is blocked", *["passes"] * 9]
            for user in range(500):
                await partition.give((str(user), fates[user % 10]))
                await pass_seconds(0.1)
            await pass_seconds(1.0)
            assert len(partition.sink.delivered) == 450

    simulated_time.run(story())


def test_what_is_blocked_for_all_makes_no_dead_letters_however_long_that_lasts() -> None:
    async def story() -> None:
        async with delivering() as partition:
            await partition.others_pass(MINUTE)
            fates = ["is blocked", "lacks rights"]
            await partition.give(*[(str(user), fates[user % 2]) for user in range(20)])
            for _ in range(10):
                await pass_seconds(HOUR)
                assert partition.flow.delivery.blocked in {NO_KEY.block(), NO_RIGHTS.block()}
            tries = len(partition.sink.requests)
            await pass_seconds(HOUR)
            assert len(partition.sink.requests) - tries < HOUR / 10
            partition.sink.mended.set()
            await pass_seconds(MINUTE)
            assert partition.flow.delivery.blocked is None
            assert partition.letters.told == []
            assert sum(partition.delivered_of(str(user)) for user in range(20)) == 20

    simulated_time.run(story())
