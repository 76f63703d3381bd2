"""Carries a fault out, and notes for how long whom it disturbed."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.faults import Answer, Delay, EffectWithoutAnswer, Fault, Hang, Reset
from sandbox.server import Service
from tests.chaos.disturbance import Disturbance
from tests.chaos.plan import Kind, Planned, Trouble
from tests.chaos.world import World

# As if the destination were some way off, so that there is something in flight to be lost.
_ALWAYS = Delay(seconds=0.15)
# Longer than a client of the workers waits.
_HANG_SECONDS = 15.0
_UNDER_A_MINUTE = 3


def calm(service: Service) -> None:
    service.set_faults([_ALWAYS])


async def inflict(world: World, fault: Planned) -> bool:
    """Returns when it is over; False when there was nobody it could hit."""
    match fault.kind:
        case Kind.KILL:
            hit = world.kill(fault.target)
            await asyncio.sleep(fault.seconds)
            await world.start(fault.target)
            return hit
        case Kind.STOP:
            await world.stop(fault.target)
            await asyncio.sleep(fault.seconds)
            await world.start(fault.target)
        case Kind.FREEZE:
            with _disturbed(world, fault.target):
                world.signal(fault.target, signal.SIGSTOP)
                await asyncio.sleep(fault.seconds)
                world.signal(fault.target, signal.SIGCONT)
        case Kind.CUT | Kind.BLACK_HOLE:
            proxy = world.instances[fault.target].proxy
            with _disturbed(world, fault.target):
                (proxy.cut if fault.kind is Kind.CUT else proxy.black_hole)()
                await asyncio.sleep(fault.seconds)
                proxy.heal()
        case Kind.JOIN:
            name = f"{fault.target}-3"
            await world.start(name)
            await asyncio.sleep(fault.seconds)
            await world.stop(name)
        case Kind.BROKER:
            with _disturbed(world, None):
                await world.broker.kill()
                await asyncio.sleep(fault.seconds)
                await world.broker.start()
        case Kind.TROUBLE:
            await _trouble(world, fault)
    return True


@contextmanager
def _disturbed(world: World, name: str | None) -> Iterator[None]:
    """Notes it for each process that a replica has meanwhile; for all where no name is given."""
    begin = world.moments.now()
    noted = Disturbance(_source(world, name), begin, float("inf"))
    world.disturbances.append(noted)
    yield
    noted.end = world.moments.now()
    if (now := _source(world, name)) != noted.source:
        world.disturbances.append(Disturbance(now, begin, noted.end))


def _source(world: World, name: str | None) -> str | None:
    return None if name is None else world.instances[name].source


async def _trouble(world: World, fault: Planned) -> None:
    service: Service = world.sailthru if fault.target == "sailthru" else world.ab_tasty
    assert fault.trouble is not None, "a destination's fault says which"
    script = _fault(fault.trouble, fault.endpoint, service)
    service.set_faults([script, _ALWAYS])
    mine = service.script
    await asyncio.sleep(fault.seconds)
    if service.script is mine:  # else the next trouble has begun
        calm(service)


def _fault(trouble: Trouble, endpoint: str, service: Service) -> Fault:
    match trouble:
        case Trouble.ERROR:
            return Answer(endpoint=endpoint, status=503)
        case Trouble.ONE_USER:
            return Answer(endpoint=endpoint, status=500, user="user3@")
        case Trouble.RATE_LIMIT:
            return Answer(endpoint=endpoint, status=429, headers=_limits(endpoint, service))
        case Trouble.HANG:
            return Hang(endpoint=endpoint, seconds=_HANG_SECONDS, count=12)
        case Trouble.RESET:
            return Reset(endpoint=endpoint)
        case Trouble.SLOW:
            # An answer must not take so long that its sender may have been replaced meanwhile: no
            # client can help that such a request takes effect late.
            return Delay(endpoint=endpoint, seconds=0.8)
        case Trouble.LOST_ANSWER:
            return EffectWithoutAnswer(endpoint=endpoint, seconds=0.2)


def _limits(endpoint: str, service: Service) -> dict[str, str]:
    """What either service says of its limits: Sailthru's own headers, and HTTP's for AB Tasty."""
    ceiling = service.ceilings().get(endpoint, 24_000)
    return {
        "X-Rate-Limit-Limit": str(ceiling),
        "X-Rate-Limit-Remaining": "0",
        "X-Rate-Limit-Reset": str(int(time.time()) + _UNDER_A_MINUTE),
        "Retry-After": str(_UNDER_A_MINUTE),
    }
