"""An account at a simulated service that counts by the minute, and workers that share it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from models.rate_demand import RateDemand
from streams.delivery.lane import Lane
from streams.delivery.rate_limit.allocation import Shares
from streams.delivery.rate_limit.demand_exchange import LOOK_SECONDS, Demand
from streams.delivery.rate_limit.limiter import RateLimit
from streams.delivery.rate_limit.quota import Quota
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sink import LaneKey
from tests.streams.delivery.endpoints import endpoint_of
from tests.streams.delivery.simulated_time import now

CALL = "user"
# As many as the records in flight of a worker may be about.
_MOST_LANES = 500


class Account:
    """One limit a minute, of the service's own clock, which differs from everybody else's."""

    def __init__(self, limit: int, *, phase: float = 0.0) -> None:
        """At the start `phase` seconds of a minute have passed."""
        self.limit = limit
        self._phase = phase
        self._minute = 0
        self._used = 0
        self.down = False
        self.asked = 0
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def time(self) -> float:
        return 1_767_268_800.0 + self._phase + now()

    def ask(self, who: str) -> tuple[bool, Quota | None]:
        """Whether it is accepted, and what the headers say; while it is down, there are none."""
        self.asked += 1
        if self.down:
            return False, None
        minute = int(self.time() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        accepted = self._used < self.limit
        self._used += accepted
        (self.accepted if accepted else self.refused)[who] += 1
        left = self.limit - self._used
        return accepted, Quota(self.limit, left, (minute + 1) * 60.0, now=self.time() // 1)


class Log:
    """What workers write all of them read, in one order and each with a delay of his own."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self._delay = delay
        self._records: list[tuple[str, RateDemand | None]] = []
        self._written = asyncio.Event()
        self.away = False

    def write(self, worker: str, demand: RateDemand | None) -> None:
        self._records.append((worker, demand))
        self._written.set()
        self._written = asyncio.Event()

    async def follow(self, shares: Shares) -> None:
        read = 0
        while True:
            while read == len(self._records):
                await self._written.wait()
            await asyncio.sleep(self._delay())
            for worker, demand in self._records[read:]:
                shares.record_demand(worker, demand)
                read += 1


class Worker:
    """An endpoint and its backlog: so many users who each have something to send."""

    def __init__(
        self,
        name: str,
        account: Account,
        log: Log | None = None,
        *,
        latency: Callable[[], float],
        ours: float = 1.0,
    ) -> None:
        """Without a log it knows of no others. `latency` gives seconds."""
        self.name = name
        self._account = account
        self._log = log
        self._latency = latency
        self.part_of_partitions = 1.0
        self._shares = Shares(name, lambda: self.part_of_partitions, now)
        self.limit = RateLimit(
            account.limit, now, ours=ours, part=self._shares.part(CALL) if log else None
        )
        self._connections = Connections(32)
        self.endpoint = endpoint_of(self._send, self.limit, self._connections)
        self._demand = Demand({CALL: self.endpoint}, now)
        self.sent_at: list[float] = []
        self._backlog = self._queued = 0

    def give(self, users: int) -> None:
        self._backlog += users
        self._queue()

    def _queue(self) -> None:
        while self._queued < min(self._backlog, _MOST_LANES):
            self._queued += 1
            self.endpoint.ready(Lane(LaneKey(CALL, object())))

    async def _send(self, lane: Lane) -> None:
        started = now()
        self.sent_at.append(started)
        await asyncio.sleep(self._latency() / 2)
        accepted, quota = self._account.ask(self.name)
        await asyncio.sleep(self._latency() / 2)
        took = now() - started
        self._connections.observe(CALL, took)
        if quota is None:
            self.endpoint.breaker.record_failure(lane.key)
            lane.record_failure(CALL, self.endpoint.breaker.passed_sent_at)
            self.endpoint.ready_later(lane, None)
            return
        self.endpoint.breaker.record_success(started)
        self.limit.record_success()
        self.limit.observe(replace(quota, took=took))
        if not accepted:
            self.limit.record_refusal(None)
        self._backlog -= accepted
        self._queued -= 1
        self._queue()

    async def _tell(self, log: Log) -> None:
        await asyncio.sleep(self._latency())
        while True:
            if not log.away and (due := self._demand.due()) is not None:
                log.write(self.name, due)
                self._demand.record_written(due)
            await asyncio.sleep(LOOK_SECONDS)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.endpoint.run())
            if self._log is not None:
                tasks.create_task(self._log.follow(self._shares))
                tasks.create_task(self._tell(self._log))


@asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    """Runs them; partitions are divided evenly among them."""
    for worker in workers:
        worker.part_of_partitions = 1 / len(workers)
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
