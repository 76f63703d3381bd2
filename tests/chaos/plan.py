"""Which fault comes when: drawn from a seed before anything runs."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

WORKERS = ("router", "sailthru", "ab-tasty")
INSTANCES = tuple(f"{worker}-{number}" for worker in WORKERS for number in (1, 2))
"""The replicas that work throughout; number 3 of each comes and goes."""

UPGRADES = (*INSTANCES[2:], *INSTANCES[:2])
"""Who reads what others write goes first: the destinations' workers, then the router's."""

BROKER = "broker"
"""Before the number of one; of several, only one is away at a time."""
ENDPOINTS = {
    "sailthru": ("POST user", "POST user", "POST event", "POST event", "GET list", "*"),
    "ab-tasty": ("POST segments", "POST segments", "POST token", "*"),
}

# On average; a fault that lasts goes on beside the next ones.
_GAP_SECONDS = 6.5
# Longer than the brokers wait for one another.
_LOST_SECONDS = 15.0
_FIRST_SECONDS = 3.0
# No fault begins when the traffic is about to end: it is to be seen at work.
_CALM_SECONDS = 20.0


class Kind(StrEnum):
    KILL = "sigkill"
    STOP = "sigterm"
    FREEZE = "sigstop"
    CUT = "cut"
    BLACK_HOLE = "black_hole"
    JOIN = "join"
    BROKER = "broker_kill"
    RESTART = "broker_restart"
    EXCHANGE = "exchange"
    TROUBLE = "destination"


_SHARES = {
    Kind.KILL: 44,
    Kind.STOP: 8,
    Kind.FREEZE: 9,
    Kind.CUT: 5,
    Kind.BLACK_HOLE: 5,
    Kind.JOIN: 6,
    Kind.BROKER: 4,
    Kind.TROUBLE: 19,
}


# Where there are several of them.
_SHARE_OF_RESTARTS = 4


class Trouble(StrEnum):
    """What a destination does instead of answering as it should."""

    ERROR = "error"
    RATE_LIMIT = "rate_limit"
    HANG = "hang"
    RESET = "reset"
    SLOW = "slow"
    LOST_ANSWER = "lost_answer"
    ONE_USER = "one_user"


class Planned(NamedTuple):
    """A fault: when it begins, in seconds, at whom, and how long it lasts.

    A killed worker or broker is away for `seconds`. A broker is restarted in good order, and a
    worker stops in good order to be exchanged for one of the other version, if there is one.
    `trouble` and `endpoint` are a destination's.
    """

    at: float
    kind: Kind
    target: str
    seconds: float = 0.0
    trouble: Trouble | None = None
    endpoint: str = "*"


@dataclass(frozen=True)
class Plan:
    """One run; traffic flows for `seconds`, `rate` messages in each."""

    seed: int
    partitions: int
    seconds: float
    rate: float
    users: int
    faults: tuple[Planned, ...]
    brokers: int = 1
    secure: bool = False
    """Whether the workers log in to the brokers, by TLS and with the least rights."""
    static: bool = False
    """Whether the workers have names of their own in their groups."""

    @property
    def messages(self) -> int:
        return int(self.seconds * self.rate)


def draw(
    seed: int,
    minutes: float,
    *,
    rate: float = 30.0,
    users: int = 300,
    brokers: int = 1,
    secure: bool = False,
) -> Plan:
    """The same for the same arguments: 3 partitions for odd seeds, 8 for even ones."""
    rng = Random(f"{seed} chaos")
    seconds = minutes * 60
    faults = tuple(_faults(rng, max(0.0, seconds - _CALM_SECONDS), brokers))
    return Plan(seed, _partitions(seed), seconds, rate, users, faults, brokers, secure)


def roll(
    seed: int, minutes: float, *, rate: float = 30.0, users: int = 300, secure: bool = False
) -> Plan:
    """What a platform team does: a broker is lost; all are restarted in turn; then all workers.

    The workers are exchanged for their other version twice, all of a kind before the next kind, in
    the order of docs/operations.md, and back in the opposite one.
    """
    seconds = minutes * 60
    brokers = [Planned(0.0, Kind.BROKER, f"{BROKER}-1", _LOST_SECONDS)]
    brokers += [Planned(0.0, Kind.RESTART, f"{BROKER}-{number}") for number in (1, 2, 3)]
    there = [Planned(0.0, Kind.EXCHANGE, name) for name in UPGRADES]
    back = [Planned(0.0, Kind.EXCHANGE, name) for name in reversed(UPGRADES)]
    steps = [*brokers, *there, *back]
    gap = max(0.0, seconds - _CALM_SECONDS) / len(steps)
    faults = tuple(
        each._replace(at=_FIRST_SECONDS + number * gap) for number, each in enumerate(steps)
    )
    return Plan(seed, _partitions(seed), seconds, rate, users, faults, 3, secure, static=True)


def _partitions(seed: int) -> int:
    return 3 if seed % 2 else 8


def _faults(rng: Random, seconds: float, brokers: int) -> list[Planned]:
    deck = _deck(rng, int(seconds / _GAP_SECONDS), brokers)
    busy = dict.fromkeys((*INSTANCES, *WORKERS, BROKER), 0.0)
    faults = []
    for number, kind in enumerate(deck):
        at = (number + rng.random()) * _GAP_SECONDS
        fault = _fault(rng, at, kind, busy, brokers)
        if fault is not None:
            faults.append(fault)
    return faults


def _deck(rng: Random, count: int, brokers: int) -> list[Kind]:
    """As many of each kind as its share asks for, in any order; one of several brokers is lost."""
    shares = _SHARES if brokers == 1 else {**_SHARES, Kind.RESTART: _SHARE_OF_RESTARTS}
    whole = sum(shares.values())
    deck = [kind for kind, share in shares.items() for _ in range(round(count * share / whole))]
    if brokers > 1:
        deck += [kind for kind in (Kind.BROKER, Kind.RESTART) if kind not in deck]
    rng.shuffle(deck)
    return deck


def _fault(
    rng: Random, at: float, kind: Kind, busy: dict[str, float], brokers: int
) -> Planned | None:
    match kind:
        case Kind.KILL | Kind.STOP:
            seconds, rest, targets = rng.uniform(0.0, 2.0), 5.0, list(INSTANCES)
        case Kind.FREEZE:
            seconds, rest, targets = rng.uniform(7.0, 14.0), 3.0, _alone(at, busy)
        case Kind.CUT | Kind.BLACK_HOLE:
            seconds, rest, targets = rng.uniform(2.0, 14.0), 3.0, _alone(at, busy)
        case Kind.JOIN:
            seconds, rest, targets = rng.uniform(8.0, 25.0), 5.0, list(WORKERS)
        case Kind.BROKER | Kind.RESTART:
            # Of several, long enough for the others to notice and to go on without it.
            longest = 4.0 if brokers == 1 else 20.0
            seconds = rng.uniform(0.0, longest) if kind is Kind.BROKER else 0.0
            rest, targets = 15.0, [BROKER]
        case _:
            return _trouble(rng, at)
    free = [target for target in targets if busy[target] <= at]
    if not free:
        return None
    target = rng.choice(free)
    busy[target] = at + seconds + rest
    if target == BROKER:
        target = f"{BROKER}-{rng.randint(1, brokers)}"
    return Planned(at, kind, target, seconds)


def _alone(at: float, busy: dict[str, float]) -> list[str]:
    """Replicas whose twin is well, so that one of each worker is always in touch."""
    twins = zip(INSTANCES[::2], INSTANCES[1::2], strict=True)
    return [name for pair in twins if all(busy[each] <= at for each in pair) for name in pair]


def _trouble(rng: Random, at: float) -> Planned:
    service = rng.choice(("sailthru", "sailthru", "ab-tasty"))
    # AB Tasty takes one file for many users.
    known = [each for each in Trouble if service == "sailthru" or each is not Trouble.ONE_USER]
    trouble = rng.choice(known)
    seconds = rng.uniform(2.0, 8.0)
    return Planned(at, Kind.TROUBLE, service, seconds, trouble, rng.choice(ENDPOINTS[service]))
