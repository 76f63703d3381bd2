"""Sends for one endpoint: rate limit, connections, and what to do while nothing passes."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable

from streams import clocks
from streams.delivery.lane import Lane
from streams.delivery.rate_limit.limiter import RateLimit
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sink import LaneKey

_DOWN_AFTER = 5
_BLOCKED_PROBE_SECONDS = 15.0
_UNSURE_SECONDS = 0.05
_PROBE_SECONDS = (1.0, 2.0, 4.0, 5.0)
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def _step(steps: tuple[float, ...], count: int) -> float:
    # Spread, so that what failed together does not come back together.
    return steps[min(count, len(steps)) - 1] * random.uniform(0.8, 1.0)  # noqa: S311 - no secret


class Endpoint:
    """Gives turns to lanes, in the order in which they became ready.

    Down means that several lanes have failed since anything passed; blocked, that a person must
    mend something. In both cases one request at a time probes, and the first that passes opens the
    way. Held is for ever: this process sends nothing more.
    """

    def __init__(
        self,
        limit: RateLimit,
        connections: Connections,
        send: Callable[[Lane], Awaitable[None]],
        may_send: Callable[[], bool],
    ) -> None:
        """`may_send` is asked right before each request; while it says no, nothing goes out."""
        self.limit = limit
        self._may_send = may_send
        self.blocked = False
        self.held = False
        self._connections = connections
        self._send = send
        self._ready: deque[Lane] = deque()
        self._wake = asyncio.Event()
        self._failing: set[LaneKey] = set()
        self._failures = 0
        self._told = False
        self._probes = 0
        self._passed_at = float("-inf")
        self._at_limit = False
        self._sends: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def down(self) -> bool:
        return len(self._failing) >= _DOWN_AFTER

    @property
    def failing(self) -> bool:
        """Whether request after request fails; with few lanes it is not down, and yet an outage."""
        return self.down or self._failures >= _DOWN_AFTER

    def turned(self) -> bool:
        """Whether it has begun or ceased to fail since this was last asked."""
        before, self._told = self._told, self.failing
        return before != self._told

    @property
    def waits_on_purpose(self) -> bool:
        """Whether the destination asked for it, or fails: not because something hangs here."""
        return self.down or bool(self._timers) or self.limit.closed

    @property
    def lanes_waiting(self) -> int:
        return len(self._ready) + len(self._timers)

    @property
    def wanting(self) -> int:
        """How many lanes wait for nothing but a permit."""
        return len(self._ready) if self._at_limit else 0

    def passed(self) -> None:
        """Something passed: the endpoint works, whoever else fails."""
        self._failing.clear()
        self._failures = self._probes = 0
        self.limit.passed()
        self._passed_at = clocks.monotonic()

    def failed(self, lane: Lane) -> float:
        """Notes a failure; returns for how many seconds the lane has failed while others passed."""
        self._failing.add(lane.key)
        self._failures += 1
        self._probes += self.down
        return lane.failed(counts=self._passed_at >= lane.failed_at)

    def out(self) -> None:
        """Notes that nobody is served: no lane's failure, and an outage at once."""
        self._failures += _DOWN_AFTER

    def ready(self, lane: Lane) -> None:
        """Gives a lane its turn after those that are waiting."""
        self._ready.append(lane)
        self._wake.set()

    def ready_later(self, lane: Lane, after: float | None) -> None:
        """Gives a failing lane its turn after a pause that grows with its failures."""

        def due() -> None:
            self._timers.discard(timer)
            self.ready(lane)

        pause = max(_step(_BACKOFF_SECONDS, lane.failures), after or 0.0)
        timer = asyncio.get_running_loop().call_later(pause, due)
        self._timers.add(timer)

    async def run(self) -> None:
        """Sends until cancelled; raises what a send raises."""
        async with asyncio.TaskGroup() as sends:
            while True:
                while self.held or not self._ready:
                    self._wake.clear()
                    await self._wake.wait()
                await self._wait_to_probe()
                await self._permit()
                await self._connections.acquire()
                while not self._may_send():  # noqa: ASYNC110 - a clock decides, and has no event
                    await asyncio.sleep(_UNSURE_SECONDS)
                if self.held or not self._ready:
                    # A rebalance took the lanes away meanwhile.
                    self._connections.release()
                    self.limit.give_back()
                    continue
                self.limit.in_flight += 1
                task = sends.create_task(self._one(self._ready.popleft()))
                self._sends.add(task)
                task.add_done_callback(self._sends.discard)
                if self.down or self.blocked:
                    await asyncio.wait({task})

    async def _wait_to_probe(self) -> None:
        if self.blocked:
            await asyncio.sleep(_BLOCKED_PROBE_SECONDS)
        elif self.down:
            await asyncio.sleep(_step(_PROBE_SECONDS, self._probes))

    async def _permit(self) -> None:
        self._at_limit = True
        try:
            await self.limit.permit()
        finally:
            self._at_limit = False

    async def _one(self, lane: Lane) -> None:
        try:
            await self._send(lane)
        finally:
            self.limit.in_flight -= 1
            self._connections.release()

    def close(self) -> set[asyncio.Task[None]]:
        """Forgets who is waiting; returns the sends that are under way."""
        self._ready.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        return set(self._sends)
