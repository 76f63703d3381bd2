"""One run: traffic and faults, then quiet, then what is left behind."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from agents.sailthru.settings import SailthruSettings
from cli.demo.lag import Lag, Progress
from cli.demo.run import READS
from streams.topics import MAX_MESSAGE_BYTES, RAW
from tests.chaos.inflict import inflict
from tests.chaos.oracle.evidence import Evidence, read_groups, read_topics
from tests.chaos.plan import INSTANCES, WORKERS, Plan, Planned
from tests.chaos.traffic import publish, tagged
from tests.chaos.trouble import calm
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


async def run(plan: Plan, directory: Path, say: Say, *, before: Path | None = None) -> Run:
    """`before` is a tree of the version before, from which the workers come."""
    traffic = tagged(plan, int(time.time() * 1000))
    faults: Counter[str] = Counter()
    async with World(directory, plan, before=before) as world:
        calm(world.sailthru)
        calm(world.ab_tasty)
        for name in INSTANCES:
            await world.start(name)
        await world.ready()
        say(f"the workers are ready: {plan.messages} messages, {len(plan.faults)} faults to come")
        broker = world.kafka.bootstrap_servers
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(
                publish(broker, RAW.name, traffic, plan.rate, MAX_MESSAGE_BYTES)
            )
            for fault in plan.faults:
                tasks.create_task(_in_time(world, fault, faults, say))
        say(f"all {publishing.result()} messages are written, and all faults over")
        evidence = Evidence(
            unsettled=await _settled(world, say),
            stored=await read_topics(broker),
            commits=await read_groups(broker),
            requests=world.journal.requests,
            disturbances=world.notes.disturbances,
            connections=_connections(plan.partitions),
            ledger=traffic.ledger(),
            sailthru=world.sailthru.state(),
            ab_tasty=world.ab_tasty.state(),
        )
        return Run(evidence, publishing.result(), faults, world.notes.ended, world.notes.tails)


def _connections(partitions: int) -> dict[str, int]:
    """The most requests that a worker has under way; at AB Tasty a partition has one."""
    return {
        "sailthru": SailthruSettings.model_fields["max_concurrent_requests"].default,
        "ab-tasty": partitions,
    }


async def _in_time(world: World, fault: Planned, faults: Counter[str], say: Say) -> None:
    await asyncio.sleep(fault.at)
    what = fault.kind.value if fault.trouble is None else f"{fault.trouble} at {fault.endpoint} of"
    say(f"{fault.at:6.1f} s  {what} {fault.target}, {fault.seconds:.1f} s")
    if await inflict(world, fault):
        faults[fault.kind.value] += 1


async def _settled(world: World, say: Say) -> list[str]:
    """Waits until every record has ended and Kafka knows it; says what has not, if it stalls."""
    moved, before = time.monotonic(), -1
    async with Lag.open(world.kafka) as lag:
        while lagging := [each async for each in _lagging(lag)]:
            ended = sum(progress.ended for _, progress in lagging)
            if ended != before:
                moved, before = time.monotonic(), ended
                say(", ".join(f"{worker} is at {p.ended} of {p.there}" for worker, p in lagging))
            elif time.monotonic() - moved > _STALLED_SECONDS:
                stalled = f"made no progress for {_STALLED_SECONDS:.0f} s at"
                return [f"{worker} {stalled} {p.ended} of {p.there}" for worker, p in lagging]
            await asyncio.sleep(_POLL_SECONDS)
    return []


async def _lagging(lag: Lag) -> AsyncIterator[tuple[str, Progress]]:
    for worker in WORKERS:
        progress = await lag.of(worker, READS[worker])
        if not progress.done:
            yield worker, progress
