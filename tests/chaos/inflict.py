"""Carries a fault out, and notes when whom it disturbed."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.disturbance import Disturbance
from tests.chaos.instance import Instance
from tests.chaos.plan import Kind, Planned
from tests.chaos.trouble import trouble
from tests.chaos.world import World


async def inflict(world: World, fault: Planned) -> bool:
    """Returns when it is over; False when there was nobody it could hit."""
    match fault.kind, fault.target:
        case Kind.TROUBLE, target:
            await trouble(world.sailthru if target == "sailthru" else world.ab_tasty, fault)
        case Kind.BROKER, name:
            async with world.one_away:
                with _disturbed(world, None):
                    await world.broker(name).kill()
                    await asyncio.sleep(fault.seconds)
                    await world.broker(name).start()
                await world.cluster.in_sync()
        case Kind.RESTART, name:
            async with world.one_away:
                with _disturbed(world, None):
                    await world.broker(name).stop()
                    await world.broker(name).start()
                await world.cluster.in_sync()
        case Kind.JOIN, worker:
            await world.start(f"{worker}-3")
            await asyncio.sleep(fault.seconds)
            await world.instances[f"{worker}-3"].stop()
        case _, name:
            return await _at_replica(world, world.instances[name], fault)
    return True


async def _at_replica(world: World, replica: Instance, fault: Planned) -> bool:
    hit = True
    match fault.kind:
        case Kind.KILL:
            hit = replica.kill()
            await asyncio.sleep(fault.seconds)
            await world.start(replica.name)
        case Kind.STOP | Kind.EXCHANGE:
            await replica.stop()
            if fault.kind is Kind.EXCHANGE:
                replica.is_before = not replica.is_before
            await asyncio.sleep(fault.seconds)
            await world.start(replica.name)
        case Kind.FREEZE:
            with _disturbed(world, replica) as noted:
                hit = noted.frozen = replica.signal(signal.SIGSTOP)
                await asyncio.sleep(fault.seconds)
                replica.signal(signal.SIGCONT)
        case _:
            with _disturbed(world, replica):
                (replica.network.cut if fault.kind is Kind.CUT else replica.network.black_hole)()
                await asyncio.sleep(fault.seconds)
                replica.network.heal()
    return hit


@contextmanager
def _disturbed(world: World, replica: Instance | None) -> Iterator[Disturbance]:
    """Notes it for each process that a replica has meanwhile; for all where none is given."""
    source = None if replica is None else replica.source
    noted = Disturbance(source, world.moments.now(), float("inf"))
    world.notes.disturbances.append(noted)
    yield noted
    noted.end = world.moments.now()
    if replica is not None and replica.source != noted.source:
        later = Disturbance(replica.source, noted.begin, noted.end)
        world.notes.disturbances.append(later)
