"""Divides a rate limit among the workers that share it; pure, but for the clock."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from models.rate_demand import RateDemand
from streams import clocks

# The part of an even share kept for a worker that wants nothing, so that it can start at once.
_FLOOR = 0.05
# Within this time everybody has read what anybody wrote. Until then others may still use what this
# worker is to get.
_HEARD_SECONDS = 1.0
_GONE_BEATS = 5
# Without word from Kafka it is not known what the others use, and later not what they may.
_UNHEARD_SECONDS = 2.0
_STALE_SECONDS = 5.0


def split(wanted: Mapping[str, float]) -> dict[str, float]:
    """Divides 1 among those who want parts of it.

    Who wants less than an even share gets it, the others divide the rest; what nobody wants is
    everybody's.
    """
    floor = _FLOOR / len(wanted) if wanted else 0.0
    left, shares = 1.0, {}
    by_modesty = sorted(wanted, key=lambda worker: (wanted[worker], worker))
    for number, worker in enumerate(by_modesty):
        shares[worker] = min(max(wanted[worker], floor), left / (len(wanted) - number))
        left -= shares[worker]
    return {worker: share + left / len(wanted) for worker, share in shares.items()}


@dataclass(slots=True)
class _Worker:
    said: RateDemand
    # Another worker's beat when it spoke first after this one's last word.
    since: dict[str, int] = field(default_factory=dict)


class _Share:
    """Shrinks at once, and grows when the others have had time to shrink."""

    def __init__(self) -> None:
        self._values = deque([(float("-inf"), 0.0)])

    def set(self, value: float, now: float) -> None:
        if self._values[-1][1] != value:
            self._forget(now)
            self._values.append((now, value))

    def at(self, now: float) -> float:
        """The least that has held within the time in which all are heard."""
        self._forget(now)
        return min(value for _, value in self._values)

    def _forget(self, now: float) -> None:
        while len(self._values) > 1 and self._values[1][0] <= now - _HEARD_SECONDS:
            self._values.popleft()


class Shares:
    """Allots this worker its part of each limit, by what all workers say in one log.

    All read the same log, one record after the other, and what it says up to a record gives the
    same division to everyone. They read it at different moments; but within the last second each
    has held the division of the moment that all have reached, and none uses more than the least it
    has held. So together they never use more than the whole, and no clocks have to agree: a worker
    is gone when another has told five times since.

    Who hears nothing does not know who has come or gone: it uses as much of the limit as it has of
    the group's partitions, which all workers together have once.
    """

    def __init__(
        self,
        me: str,
        part_of_partitions: Callable[[], float],
        clock: Callable[[], float] = clocks.monotonic,
    ) -> None:
        """`part_of_partitions` returns what this worker has of them, from 0 to 1."""
        self._me = me
        self._part_of_partitions = part_of_partitions
        self._clock = clock
        self._workers: dict[str, _Worker] = {}
        self._shares: dict[str, _Share] = {}
        self._heard_at = clock()
        self._used_by_others: Counter[str] = Counter()

    @property
    def workers(self) -> int:
        return len(self._workers)

    def record_demand(self, worker: str, demand: RateDemand | None) -> None:
        """Takes the next record of the log; without a demand the worker says farewell."""
        before = self._workers.pop(worker, None)
        if demand is not None:
            self._age(worker, demand.beat)
            self._workers[worker] = _Worker(demand)
        if worker == self._me:
            self._heard_at = self._clock()
        elif before and demand:
            self._count(before.said, demand)
        self._divide()

    def _age(self, speaker: str, beat: int) -> None:
        for name, worker in list(self._workers.items()):
            worker.since[speaker] = min(worker.since.get(speaker, beat), beat)
            if beat - worker.since[speaker] >= _GONE_BEATS:
                del self._workers[name]

    def _count(self, before: RateDemand, now: RateDemand) -> None:
        for endpoint in before.endpoints.keys() & now.endpoints.keys():
            more = now.endpoints[endpoint].used - before.endpoints[endpoint].used
            self._used_by_others[endpoint] += max(0, more)

    def _divide(self) -> None:
        said = {name: worker.said.endpoints for name, worker in self._workers.items()}
        told = {endpoint for each in said.values() for endpoint in each}
        now = self._clock()
        for endpoint in told | self._shares.keys():
            wanted = {
                name: each[endpoint].wanted if endpoint in each else 0.0
                for name, each in said.items()
            }
            share = self._shares.setdefault(endpoint, _Share())
            share.set(split(wanted).get(self._me, 0.0), now)

    @property
    def silence(self) -> float:
        """Seconds since this worker's own word last came back."""
        return self._clock() - self._heard_at

    def share(self, endpoint: str) -> float:
        if self.silence > _STALE_SECONDS:
            return self._part_of_partitions()
        share = self._shares.get(endpoint)
        return share.at(self._clock()) if share else 0.0

    def used_by_others(self, endpoint: str) -> int | None:
        return None if self.silence > _UNHEARD_SECONDS else self._used_by_others[endpoint]

    def part(self, endpoint: str) -> "PartOfEndpoint":
        """The part of one limit that the limiter asks for."""
        return PartOfEndpoint(self, endpoint)


@dataclass(frozen=True, slots=True)
class PartOfEndpoint:
    """One limit's part."""

    shares: Shares
    endpoint: str

    def share(self) -> float:
        return self.shares.share(self.endpoint)

    def used_by_others(self) -> int | None:
        return self.shares.used_by_others(self.endpoint)
