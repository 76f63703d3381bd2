"""What a destination does instead of answering as it should."""

import asyncio
import time

from sandbox.faults import Answer, Delay, EffectWithoutAnswer, Fault, Hang, Reset
from sandbox.server import Service
from tests.chaos.plan import Planned, Trouble

# As if the destination were some way off, so that there is something in flight to be lost.
_ALWAYS = Delay(seconds=0.15)
# Longer than a client of the workers waits.
_HANG_SECONDS = 15.0
_UNDER_A_MINUTE = 3


def calm(service: Service) -> None:
    service.set_faults([_ALWAYS])


async def trouble(service: Service, fault: Planned) -> None:
    """Returns when it is over."""
    assert fault.trouble is not None, "a destination's fault says which"
    script = _fault(fault.trouble, fault.endpoint, service)
    service.set_faults([script, _ALWAYS])
    mine = service.script
    await asyncio.sleep(fault.seconds)
    if service.script is mine:  # else the next trouble has begun
        calm(service)


def _fault(trouble: Trouble, endpoint: str, service: Service) -> Fault:
    faults: dict[Trouble, Fault] = {
        Trouble.ERROR: Answer(endpoint=endpoint, status=503),
        Trouble.ONE_USER: Answer(endpoint=endpoint, status=500, user="user3@"),
        Trouble.RATE_LIMIT: Answer(
            endpoint=endpoint, status=429, headers=_limits(endpoint, service)
        ),
        Trouble.HANG: Hang(endpoint=endpoint, seconds=_HANG_SECONDS, count=12),
        Trouble.RESET: Reset(endpoint=endpoint),
        # An answer must not take so long that its sender may have been replaced meanwhile: no
        # client can help that such a request takes effect late.
        Trouble.SLOW: Delay(endpoint=endpoint, seconds=0.8),
        Trouble.LOST_ANSWER: EffectWithoutAnswer(endpoint=endpoint, seconds=0.2),
    }
    return faults[trouble]


def _limits(endpoint: str, service: Service) -> dict[str, str]:
    """What either service says of its limits: Sailthru's own headers, and HTTP's for AB Tasty."""
    ceiling = service.ceilings().get(endpoint, 24_000)
    return {
        "X-Rate-Limit-Limit": str(ceiling),
        "X-Rate-Limit-Remaining": "0",
        "X-Rate-Limit-Reset": str(int(time.time()) + _UNDER_A_MINUTE),
        "Retry-After": str(_UNDER_A_MINUTE),
    }
