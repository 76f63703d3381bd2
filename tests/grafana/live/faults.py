"""What can go wrong, and exactly which alerts must say so."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

from cli.demo.publish import publish
from cli.demo.world import WORKERS
from sandbox.faults import Answer, Reset
from sandbox.mparticle import Message
from tests.grafana.live.world import LiveWorld

# More than half of the last 1,000 messages, and few enough to pass once the router starts again.
_POISON = [Message(None, b"not JSON")] * 600


class Alert(NamedTuple):
    """An alert and whom it names: the destination, or else the worker, and the reason if any."""

    name: str
    culprit: str
    reason: str = ""

    @classmethod
    def of(cls, labels: Mapping[str, Any]) -> Self:
        culprit = labels.get("destination") or labels.get("worker", "")
        return cls(labels.get("alertname", "up"), culprit, labels.get("reason", ""))


# At a minute a second, a machine that is busy for three seconds keeps a worker from its scrapes,
# its commits or its records for three minutes. Which of these a fault raises alone, `make live`
# tells on a machine that is idle, and promtool of series that are written down.
OF_A_BUSY_MACHINE = frozenset(
    {
        *("WorkerDown", "WorkerStalled", "OffsetCommitsFailing", "MparticleSilent"),
        *(
            "OldestRecordTooOld",
            "LatencySloBurnFast",
            "LatencySloBurnSlow",
            "LatencySloBurnCreeping",
        ),
    }
)


def told(alerts: Iterable[Alert]) -> frozenset[Alert]:
    """Without what a busy machine may raise by itself."""
    return frozenset(each for each in alerts if each.name not in OF_A_BUSY_MACHINE)


class Fault(NamedTuple):
    """How it begins, how a person mends it, and which alerts it raises.

    `mending` may be raised while it is mended: a restart takes seconds, and so minutes of the
    rules.
    """

    begin: Callable[[LiveWorld], Awaitable[None]]
    mend: Callable[[LiveWorld], Awaitable[None]]
    raises: frozenset[Alert]
    mending: frozenset[Alert] = frozenset()


async def _refuse_the_key(world: LiveWorld) -> None:
    world.sailthru.set_faults([Answer(status=401, body={"error": 3, "errormsg": "Invalid key"})])


async def _limit(world: LiveWorld) -> None:
    world.sailthru.set_faults([Answer(status=429, body={"error": 43, "errormsg": "Too many"})])


async def _mend_sailthru(world: LiveWorld) -> None:
    world.sailthru.set_faults([])


async def _take_ab_tasty_down(world: LiveWorld) -> None:
    world.ab_tasty.set_faults([Reset()])


async def _forbid(world: LiveWorld) -> None:
    world.ab_tasty.set_faults([Answer(endpoint="POST segments", status=403)])


async def _mend_ab_tasty(world: LiveWorld) -> None:
    world.ab_tasty.set_faults([])


async def _poison(world: LiveWorld) -> None:
    await publish(world.kafka, _POISON)


async def _restart_the_router(world: LiveWorld) -> None:
    await world.stop("router")
    world.start("router")
    # The rest of the poison passes now, and raises its alerts once more: on a busy machine that
    # was in the next fault's time.
    await world.catch_up("router")


async def _kill_a_worker(world: LiveWorld) -> None:
    world.kill("router")


async def _start_it_again(world: LiveWorld) -> None:
    world.start("router")


FAULTS = {
    "Sailthru 401": Fault(
        _refuse_the_key,
        _mend_sailthru,
        frozenset({Alert("DestinationBlocked", "sailthru", "wrong_key")}),
    ),
    "Sailthru 429 storm": Fault(
        _limit, _mend_sailthru, frozenset({Alert("DestinationRateLimited", "sailthru")})
    ),
    "AB Tasty down": Fault(
        _take_ab_tasty_down, _mend_ab_tasty, frozenset({Alert("DestinationDown", "ab-tasty")})
    ),
    "AB Tasty 403": Fault(
        _forbid,
        _mend_ab_tasty,
        frozenset({Alert("DestinationBlocked", "ab-tasty", "forbidden")}),
    ),
    "flood of poison": Fault(
        _poison,
        _restart_the_router,
        frozenset(
            {
                Alert("DestinationBlocked", "router", "too_many_rejections"),
                Alert("DeadLetters", "router"),
            }
        ),
        mending=frozenset({Alert("WorkerDown", "router")}),
    ),
    "worker killed": Fault(
        _kill_a_worker, _start_it_again, frozenset({Alert("WorkerDown", "router")})
    ),
    "broker stopped": Fault(
        LiveWorld.stop_broker,
        LiveWorld.start_broker,
        frozenset(Alert("KafkaUnreachable", worker) for worker in WORKERS),
        # A broker that is back has no leaders yet: for seconds, which are minutes of the rules.
        mending=frozenset(Alert("PartitionsHeld", worker) for worker in WORKERS),
    ),
}

# Too slow for the short run.
SLOW = {
    "mParticle silent": Fault(
        LiveWorld.lay_down_the_pen,
        LiveWorld.take_up_the_pen,
        frozenset({Alert("MparticleSilent", "")}),
    ),
}
