"""One run: traffic and faults, then quiet, then what is left behind."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.demo.lag import Lag
from cli.demo.run import READS
from streams.topics import MAX_MESSAGE_BYTES, RAW
from tests.chaos.inflict import calm, inflict
from tests.chaos.oracle.evidence import Evidence, read_groups, read_topics
from tests.chaos.plan import INSTANCES, WORKERS, Plan, Planned
from tests.chaos.traffic import publish, tagged
from tests.chaos.world import World

_POLL_SECONDS = 0.5
# Longer than any pause of ours: a rebalance with a worker that does not come, a probe of a
# destination, a bit of patience between updates and events.
_STALLED_SECONDS = 90.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """What there was, before anybody judges it."""

    evidence: Evidence
    messages: int
    faults: Counter[str]
    ended: Counter[str]
    tails: list[str]


async def run(plan: Plan, directory: Path, say: Say) -> Run:
    traffic = tagged(plan, int(time.time() * 1000))
    async with World(directory, plan.partitions) as world:
        for service in (world.sailthru, world.ab_tasty):
            calm(service)
        for name in INSTANCES:
            await world.start(name)
        await world.ready()
        say(f"the workers are ready: {plan.messages} messages, {len(plan.faults)} faults to come")
        faults: Counter[str] = Counter()
        async with asyncio.TaskGroup() as tasks:
            to = world.kafka
            publishing = tasks.create_task(
                publish(
                    to.bootstrap_servers, to.topic(RAW.name), traffic, plan.rate, MAX_MESSAGE_BYTES
                )
            )
            for fault in plan.faults:
                tasks.create_task(_in_time(world, fault, faults, say))
        for service in (world.sailthru, world.ab_tasty):
            calm(service)
        say(f"all {publishing.result()} messages are written, and all faults over")
        unsettled = await _settled(world, say)
        evidence = Evidence(
            await read_topics(to.bootstrap_servers),
            await read_groups(to.bootstrap_servers),
            world.journal.requests,
            world.disturbances,
            traffic.ledger(),
            world.sailthru.state(),
            world.ab_tasty.state(),
            unsettled,
        )
        return Run(evidence, publishing.result(), faults, world.ended.codes, world.ended.tails)


async def _in_time(world: World, fault: Planned, faults: Counter[str], say: Say) -> None:
    await asyncio.sleep(fault.at)
    what = fault.kind.value if fault.trouble is None else f"{fault.trouble} at {fault.endpoint} of"
    say(f"{fault.at:6.1f} s  {what} {fault.target}, {fault.seconds:.1f} s")
    if await inflict(world, fault):
        faults[fault.kind.value] += 1


async def _settled(world: World, say: Say) -> list[str]:
    """Waits until every record has ended and Kafka knows it; says what has not, if it stalls."""
    moved, before = time.monotonic(), -1
    async with Lag(world.kafka) as lag:
        while True:
            now = {worker: await lag.of(worker, READS[worker]) for worker in WORKERS}
            if (
                all(each.done for each in now.values())
                and (await lag.of("router", READS["router"])).done
            ):
                return []
            ended = sum(each.ended for each in now.values())
            if ended != before:
                say("ended " + ", ".join(f"{w} {p.ended} of {p.there}" for w, p in now.items()))
                moved, before = time.monotonic(), ended
            elif time.monotonic() - moved > _STALLED_SECONDS:
                return [
                    f"{worker} made no progress for {_STALLED_SECONDS:.0f} s at {p.ended} of {p.there}"
                    for worker, p in now.items()
                    if not p.done
                ]
            await asyncio.sleep(_POLL_SECONDS)
