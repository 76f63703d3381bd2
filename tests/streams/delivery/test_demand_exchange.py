"""Workers, limits and a service that counts by the minute, on simulated time: counts alone decide.

A limit of 50 requests a second stands for one of 300 where that makes no difference.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from tests.streams.delivery.account import Account, Log, Worker, working
from tests.streams.delivery.simulated_time import compute, now, run

ENDLESS = 10**9
PER_MINUTE = 3_000
SETTLED = 5.0
FOREIGN = "somebody else"


class Scene:
    """Workers that share an account, and random delays that are the same in each run."""

    def __init__(
        self, *, phase: float = 0.0, per_minute: int = PER_MINUTE, ours: float = 1.0
    ) -> None:
        self._random = random.Random(1)
        self._ours = ours
        self.account = Account(per_minute, phase=phase)
        self.log = Log(lambda: self._random.uniform(0.005, 0.1))
        self.workers: list[Worker] = []
        self._here: dict[str, AsyncExitStack] = {}

    async def join(self, backlog: int) -> Worker:
        worker = Worker(
            f"worker {len(self.workers)}",
            self.account,
            self.log,
            latency=lambda: self._random.uniform(0.025, 0.075),
            ours=self._ours,
        )
        worker.give(backlog)
        self.workers.append(worker)
        self._here[worker.name] = AsyncExitStack()
        await self._here[worker.name].enter_async_context(working(worker))
        self._rebalance()
        return worker

    async def kill(self, worker: Worker) -> None:
        await self._here.pop(worker.name).aclose()
        self._rebalance()

    def _rebalance(self) -> None:
        here = [worker for worker in self.workers if worker.name in self._here]
        for worker in here:
            worker.part_of_partitions = 1 / len(here)

    async def close(self) -> None:
        for stack in self._here.values():
            await stack.aclose()

    async def pass_(self, seconds: float = 60.0) -> "Answers":
        accepted, refused = Counter(self.account.accepted), Counter(self.account.refused)
        await asyncio.sleep(seconds)
        return Answers(self.account.accepted - accepted, self.account.refused - refused)


class Answers:
    """What the service has answered in a while."""

    def __init__(self, accepted: Counter[str], refused: Counter[str]) -> None:
        self.foreign = accepted.pop(FOREIGN, 0)
        self.foreign_refused = refused.pop(FOREIGN, 0)
        self.accepted = accepted.total()
        self.refused = refused.total() / max(1, accepted.total() + refused.total())


def play(scene: Scene, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def told() -> None:
        try:
            await story(scene)
        finally:
            await scene.close()

    run(told())


@pytest.mark.parametrize(
    ("backlogs", "fill", "refused"),
    [
        ([ENDLESS], 0.99, 0.002),
        ([ENDLESS] * 2, 0.97, 0.005),
        ([ENDLESS] * 4, 0.97, 0.005),
        # Half of all that there is waits at one of them.
        ([2_000, 667, 667, 667], 0.95, 0.005),
    ],
    ids=["one worker", "two", "four", "four, one of which has half of the backlog"],
)
@pytest.mark.parametrize("phase", [0.0, 20.0, 53.0])
def test_workers_with_a_backlog_fill_the_limit(
    backlogs: Sequence[int], fill: float, refused: float, phase: float
) -> None:
    async def story(scene: Scene) -> None:
        for backlog in backlogs:
            await scene.join(backlog)
        await asyncio.sleep(SETTLED)
        answers = await scene.pass_()

        assert answers.accepted >= fill * PER_MINUTE
        assert answers.refused <= refused

    play(Scene(phase=phase), story)


def test_three_hundred_a_second_are_filled_and_smooth() -> None:
    async def story(scene: Scene) -> None:
        worker = await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        answers = await scene.pass_()

        assert answers.accepted >= 0.99 * 18_000
        assert answers.refused <= 0.002
        seconds = Counter(int(at) for at in worker.sent_at if SETTLED <= at < SETTLED + 60)
        assert max(seconds.values()) <= 300 * 1.1 + 31

    play(Scene(phase=41.0, per_minute=18_000), story)


def test_what_a_busy_event_loop_was_late_for_is_made_good_within_the_minute() -> None:
    """It computes for 0.4 seconds in every five, the last time right before the minute ends."""

    async def story(scene: Scene) -> None:
        await scene.join(ENDLESS)
        busy = asyncio.create_task(compute_every(5.0, 0.4, offset=4.5))
        await asyncio.sleep(60.0)
        answers = await scene.pass_()
        busy.cancel()

        assert answers.accepted >= 0.99 * PER_MINUTE
        assert answers.refused <= 0.002

    play(Scene(), story)


async def compute_every(seconds: float, for_seconds: float, *, offset: float) -> None:
    while True:
        await asyncio.sleep((offset - now()) % seconds)
        compute(for_seconds)


@pytest.mark.parametrize("count", [1, 4])
def test_what_somebody_else_uses_unannounced_is_left_to_him(count: int) -> None:
    async def story(scene: Scene) -> None:
        somebody = asyncio.create_task(use(scene.account, PER_MINUTE / 2 / 60))
        for _ in range(count):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        minutes = [await scene.pass_() for _ in range(3)]
        somebody.cancel()

        for answers in minutes:
            assert answers.accepted >= 0.9 * (PER_MINUTE - answers.foreign)
            assert answers.refused <= 0.02
        # The first minute teaches how much it is.
        for answers in minutes[1:]:
            assert answers.foreign_refused <= 0.02 * answers.foreign
        for worker in scene.workers:
            assert worker.limit.foreign == pytest.approx(PER_MINUTE / 2, rel=0.1)

    play(Scene(phase=20.0), story)


async def use(account: Account, per_second: float) -> None:
    while True:
        account.ask(FOREIGN)
        await asyncio.sleep(1 / per_second)


def test_what_somebody_else_no_longer_uses_is_used() -> None:
    async def story(scene: Scene) -> None:
        somebody = asyncio.create_task(use(scene.account, PER_MINUTE / 2 / 60))
        await scene.join(ENDLESS)
        await scene.pass_(120)
        somebody.cancel()
        await scene.pass_(60)

        assert (await scene.pass_()).accepted >= 0.99 * PER_MINUTE

    play(Scene(), story)


@pytest.mark.parametrize("count", [1, 3])
def test_with_a_share_set_the_workers_together_use_that_much(count: int) -> None:
    async def story(scene: Scene) -> None:
        for _ in range(count):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        answers = await scene.pass_()

        assert 0.97 * 0.4 * PER_MINUTE <= answers.accepted <= 1.005 * 0.4 * PER_MINUTE

    play(Scene(ours=0.4, phase=30.0), story)


def test_what_an_idle_worker_leaves_is_used_until_it_has_work() -> None:
    async def story(scene: Scene) -> None:
        idle, busy = await scene.join(0), await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        alone = await scene.pass_()
        idle.give(ENDLESS)
        await asyncio.sleep(SETTLED)
        before = {worker: len(worker.sent_at) for worker in scene.workers}
        together = await scene.pass_()
        sent = {worker: len(worker.sent_at) - before[worker] for worker in scene.workers}

        assert min(alone.accepted, together.accepted) >= 0.97 * PER_MINUTE
        assert max(alone.refused, together.refused) <= 0.005
        assert sent[idle] == pytest.approx(sent[busy], rel=0.05)

    play(Scene(), story)


def test_workers_that_come_and_are_killed_cost_little() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(2):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        with_two = asyncio.create_task(scene.pass_())
        await asyncio.sleep(20)
        await scene.join(ENDLESS)
        came = await with_two
        with_three = asyncio.create_task(scene.pass_())
        await asyncio.sleep(20)
        await scene.kill(scene.workers[0])
        went = await with_three
        await asyncio.sleep(10)
        after = await scene.pass_()

        assert max(each.refused for each in (came, went, after)) <= 0.005
        assert came.accepted >= 0.97 * PER_MINUTE
        # Silence is noticed within seconds, and made up for within the minute.
        assert went.accepted >= 0.9 * PER_MINUTE
        assert after.accepted >= 0.97 * PER_MINUTE

    play(Scene(phase=10.0), story)


def test_without_word_from_kafka_the_limit_is_still_kept_and_nearly_filled() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        scene.log.away = True
        away = await scene.pass_()
        scene.log.away = False
        back = await scene.pass_()

        assert min(away.accepted, back.accepted) >= 0.95 * PER_MINUTE
        assert max(away.refused, back.refused) <= 0.005

    play(Scene(), story)


@pytest.mark.parametrize("before", [0, 2], ids=["nobody was there", "two were there"])
def test_who_starts_without_word_from_kafka_keeps_the_limit_together_with_all_others(
    before: int,
) -> None:
    """Half of the limit is theirs: what they take of the rest, no answer tells them of."""

    async def story(scene: Scene) -> None:
        for _ in range(before):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        scene.log.away = True
        for _ in range(4 - before):
            await scene.join(ENDLESS)
        await asyncio.sleep(SETTLED)
        away = await scene.pass_()

        assert 0.95 * PER_MINUTE / 2 <= away.accepted <= 1.005 * PER_MINUTE / 2

    play(Scene(ours=0.5), story)


@pytest.mark.parametrize("count", [1, 4])
def test_a_service_that_was_down_is_probed_seldom_and_soon_has_all_it_takes(count: int) -> None:
    async def story(scene: Scene) -> None:
        for _ in range(count):
            await scene.join(100_000 // count)
        await asyncio.sleep(SETTLED)
        scene.account.down = True
        await asyncio.sleep(SETTLED)
        before = scene.account.asked
        await asyncio.sleep(600)
        probes = scene.account.asked - before
        scene.account.down = False
        await asyncio.sleep(10)
        answers = await scene.pass_(30)

        assert probes <= 600 * count
        assert answers.accepted >= 0.97 * PER_MINUTE / 2
        assert answers.refused <= 0.005

    play(Scene(), story)
