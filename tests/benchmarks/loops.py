"""L1: what each process of the product uses of a core on uvloop, and on asyncio's own event loop.

By turns, the work of other rows: messages to the router (P1), changes to AB Tasty (A1), updates at
Sailthru's ceiling (S1) and posts to the receiver (R1).
"""

from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from agents.ab_tasty.topics import AB_TASTY_AUDIENCES
from sandbox.kafka import Kafka
from tests.benchmarks import pacing, posts, uploads
from tests.benchmarks.events import memberships
from tests.benchmarks.log import Log
from tests.benchmarks.members import audiences
from tests.benchmarks.results import Result, ratios
from tests.benchmarks.router import WORKER, Course
from tests.benchmarks.subjects import LOOP

Costs: TypeAlias = Mapping[str, list[float]]
"""By loop, CPU microseconds for each piece of work, of each round."""
_Measure = Callable[[Mapping[str, str]], Awaitable[float]]

_LOOPS = ("uvloop", "asyncio")
_MESSAGES = 20_000
_CHANGES = 40_000
_POSTS_A_SECOND = 1_000
_SECONDS = 5.0
_CEILING_SECONDS = 20.0


async def run(broker: Kafka, rounds: int) -> list[Result]:
    results = []
    for case, measure in _CASES.items():
        costs = await measure(broker, rounds)
        ours, theirs = (costs[loop] for loop in _LOOPS)
        results += [
            ratios("L1", case, "uvloop / asyncio: CPU", ours, theirs),
            *(Result("L1", case, f"{loop}: CPU", "us", costs[loop]) for loop in _LOOPS),
        ]
    return results


async def _by_turns(rounds: int, measure: _Measure) -> Costs:
    costs: dict[str, list[float]] = {loop: [] for loop in _LOOPS}
    for number in range(rounds):
        # Back and forth, so that neither always comes after the other.
        for loop in sorted(_LOOPS, reverse=bool(number % 2)):
            costs[loop].append(await measure({LOOP: loop}))
    return costs


async def _messages(broker: Kafka, rounds: int) -> Costs:
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=4) as log:
            course = await Course.laid(log, _MESSAGES, 1, Path(directory))

            async def measure(chosen: Mapping[str, str]) -> float:
                return (await course.run(WORKER, chosen)).cpu_us

            return await _by_turns(rounds, measure)


async def _changes(broker: Kafka, rounds: int) -> Costs:
    with TemporaryDirectory() as directory:
        async with Log.on(broker, partitions=4) as log:
            await log.fill(AB_TASTY_AUDIENCES, 0, audiences())
            await log.write(memberships(log.kafka, range(_CHANGES), _CHANGES // 2))

            async def measure(chosen: Mapping[str, str]) -> float:
                return await uploads.cpu_us(uploads.WORKER, log, Path(directory), chosen)

            return await _by_turns(rounds, measure)


async def _updates(broker: Kafka, rounds: int) -> Costs:
    async def measure(chosen: Mapping[str, str]) -> float:
        return await pacing.cpu_us(broker, _CEILING_SECONDS, chosen)

    return await _by_turns(rounds, measure)


async def _posts(broker: Kafka, rounds: int) -> Costs:
    requests = cycle(posts.posts())

    async def measure(chosen: Mapping[str, str]) -> float:
        async with (
            Log.on(broker, partitions=4) as log,
            posts.Target.started(posts.RECEIVER, log, **chosen) as target,
        ):
            await target.burst(requests, 1.0)
            return (await target.steady(requests, _POSTS_A_SECOND, _SECONDS)).cpu_us

    return await _by_turns(rounds, measure)


_CASES: Mapping[str, Callable[[Kafka, int], Awaitable[Costs]]] = {
    "router, a message": _messages,
    "ab-tasty, a row": _changes,
    "sailthru, a request at the ceiling": _updates,
    "receiver, a post, 1,000 a second": _posts,
}
