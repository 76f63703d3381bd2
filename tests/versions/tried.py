"""One Kafka with all workers on it: what holds, in words for a table."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from aiokafka.errors import KafkaError

from cli.demo.compare import differences, repeated_events
from cli.demo.lag import Lag
from cli.demo.publish import publish
from cli.demo.run import READS
from cli.demo.world import WORKERS, WorkerProcess, World, worker_environment
from sandbox.kafka import BrokerError, Release
from sandbox.mparticle import Traffic, duration_ms, generate
from sandbox.ports import free_ports
from streams.kafka import clients
from streams.kafka.static_members import members, remove
from tests.chaos.oracle.verdict import without_repeats
from tests.cli.command import run

MESSAGES = 1_000
_SECONDS = 240.0
_LOOK_SECONDS = 0.1
_KILL_AFTER = 0.2
_GUEST = "guest"
NOTHING = "\u2013"


class Tried(NamedTuple):
    """What became of each step; a step that was not reached has nothing to say."""

    starts: str = NOTHING
    delivers: str = NOTHING
    scales_in: str = NOTHING
    checks: str = NOTHING


async def tried(release: Release) -> Tried:
    """Starts it, delivers traffic, kills it in the middle, scales in, checks."""
    found = Tried()
    with tempfile.TemporaryDirectory(prefix="mparticle-streams-versions-") as directory:
        try:
            async with World(Path(directory), release=release) as world:
                found = found._replace(starts="yes")
                for field, step in _STEPS.items():
                    found = found._replace(**{field: await _said(step, world)})
                    if getattr(found, field).startswith("no"):
                        break
        except BrokerError as error:
            return found._replace(starts=f"no: {str(error).splitlines()[-1]}")
    return found


async def _said(step: Callable[[World], Awaitable[str]], world: World) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            return await step(world)
    except TimeoutError:
        return f"no: not within {_SECONDS:.0f} s"
    except KafkaError as error:
        return f"no: {error}"


async def _deliver(world: World) -> str:
    """The broker is killed when a part of the messages is through."""
    start_ms = int(time.time() * 1000) - duration_ms(MESSAGES)
    traffic = generate(seed=16, users=100, messages=MESSAGES, start_ms=start_ms)
    async with clients.producer(world.kafka):
        for worker in WORKERS:
            world.start(worker)
    async with Lag.open(world.kafka) as lag:
        publishing = asyncio.create_task(publish(world.kafka, traffic))
        while (await lag.of("router", READS["router"])).ended < MESSAGES * _KILL_AFTER:
            world.check()
            await asyncio.sleep(_LOOK_SECONDS)
    await world.broker.kill()
    await world.broker.start()
    await publishing
    return await _settled(world, traffic)


async def _settled(world: World, traffic: Traffic) -> str:
    async with Lag.open(world.kafka) as lag:
        for worker in WORKERS:
            while not (await lag.of(worker, READS[worker])).done:
                world.check()
                await asyncio.sleep(_LOOK_SECONDS)
    sailthru, ab_tasty = world.sailthru.state(), world.ab_tasty.state()
    wrong = len(differences(traffic.ledger, without_repeats(sailthru), ab_tasty))
    return f"{MESSAGES} messages, {wrong} differences, {repeated_events(sailthru)} repeats"


async def _scale_in(world: World) -> str:
    group = world.kafka.group("router")
    given = worker_environment(
        world.kafka.bootstrap_servers, next(free_ports()), sailthru="", ab_tasty=""
    )
    named = {**given, "KAFKA_GROUP_INSTANCE_ID": _GUEST}
    guest = WorkerProcess("router", world.directory / "guest.log", named)
    while _GUEST not in {each.instance for each in await members(world.kafka, group)}:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_LOOK_SECONDS)
    await guest.stop()
    unknown = await remove(world.kafka, group, [_GUEST])
    return "no" if unknown else "yes"


async def _check(world: World) -> str:
    given = worker_environment(
        world.kafka.bootstrap_servers, 1, sailthru=world.sailthru_url, ab_tasty=world.ab_tasty_url
    )
    said = await asyncio.to_thread(run, "check", settings=given)
    wrong = [line for line in said.stdout.splitlines() if line.startswith("WRONG")]
    return "; ".join(wrong) or ("yes" if said.returncode == 0 else said.stderr)


_STEPS = {
    "delivers": _deliver,
    "scales_in": _scale_in,
    "checks": _check,
}
