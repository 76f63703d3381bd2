"""Gives the lanes that wait for one endpoint their turns."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

from streams.delivery.lane import Item, Lane
from streams.delivery.policy import DeliveryPolicy, step
from streams.delivery.rate_limit.limiter import RateLimit
from streams.delivery.sending.circuit_breaker import CircuitBreaker, Gate
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sink import LaneKey
from streams.fencing import MaySend


class Turns(Protocol):
    """Takes a lane's turn; see turn.py."""

    async def take(self, lane: Lane, endpoint: "Endpoint") -> None:
        """Uses the permit that was taken for it, or gives it back."""


class Endpoint:
    """Gives turns to lanes, in the order in which they became ready.

    A turn needs a permit of the rate limit, a slot among the requests in flight, and that this
    worker may send. While the circuit breaker is open or the gate blocked, one request at a time
    probes, and the first that passes opens the way.
    """

    def __init__(
        self,
        name: str,
        limit: RateLimit,
        slots: Connections,
        gate: Gate,
        turns: Turns,
        may_send: MaySend,
        policy: DeliveryPolicy,
    ) -> None:
        self.name = name
        self.limit = limit
        self.breaker = CircuitBreaker(name, policy.breaker)
        self._slots = slots
        self._gate = gate
        self._turns = turns
        self._may_send = may_send
        self._policy = policy
        # A lane is here from its first record to its last; it is in `_ready` once at the most, and
        # neither there nor in `_timers` while its turn is on or while it waits to be woken.
        self._lanes: dict[LaneKey, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._wake = asyncio.Event()
        self._passed = asyncio.Event()
        self._at_limit = False
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def waits_on_purpose(self) -> bool:
        """Returns whether the destination makes it wait: it asked for that, or fails."""
        return self.breaker.is_open or bool(self._timers) or self.limit.is_paused

    @property
    def lanes_waiting(self) -> int:
        return len(self._ready) + len(self._timers)

    @property
    def wanting(self) -> int:
        """Returns how many lanes wait for nothing but a permit."""
        return len(self._ready) if self._at_limit else 0

    def queue(self, key: LaneKey, item: Item) -> Lane:
        """Puts an item at the end of its lane, which it returns."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
            self.ready(lane)
        lane.append(item)
        return lane

    def ready(self, lane: Lane) -> None:
        """Gives a lane its turn after those that are waiting."""
        self._ready.append(lane)
        self._wake.set()

    def requeue(self, lane: Lane) -> None:
        """Gives a lane another turn where it has more to send, and forgets it where it has not."""
        if lane.closed:
            return
        lane.turn_at = None
        if lane:
            self.ready(lane)
        else:
            del self._lanes[lane.key]

    def ready_later(self, lane: Lane, after: float | None) -> None:
        """Gives a failing lane its turn after a pause that grows with its failures."""
        if lane.closed:
            return

        def due() -> None:
            self._timers.discard(timer)
            self.ready(lane)

        pause = max(step(self._policy.retry.backoff_s, lane.failures), after or 0.0)
        timer = asyncio.get_running_loop().call_later(pause, due)
        self._timers.add(timer)

    def record_success(self, sent_at: float) -> None:
        """What was sent then has passed: whatever stopped all requests to the endpoint is over."""
        self._gate.unblock(self.name)
        self.breaker.record_success(sent_at)
        self.limit.record_success()
        self._passed.set()

    async def run(self) -> None:
        """Sends until cancelled; raises what a turn raises."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._gate.is_held or not self._ready:
                    self._wake.clear()
                    await self._wake.wait()
                if self._gate.is_blocked_for_several(self.name):
                    await self._pause(self._policy.breaker.blocked_probe_s)
                elif self.breaker.is_open:
                    await self._pause(self.breaker.probe_pause_s)
                await self._permit()
                await self._slots.acquire(self.name)
                while not self._may_send():  # noqa: ASYNC110 - a clock decides, and has no event
                    await asyncio.sleep(self._policy.fence_poll_s)
                if self._gate.is_held or not self._ready:
                    # A rebalance took the lanes away meanwhile.
                    self._slots.release(self.name)
                    self.limit.give_back()
                    continue
                self.limit.in_flight += 1
                task = tasks.create_task(self._turn(self._ready.popleft()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                if self.breaker.is_open or self._gate.is_blocked(self.name):
                    await asyncio.wait({task})

    async def _pause(self, seconds: float) -> None:
        """Waits, until something passes at the longest."""
        self._passed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._passed.wait()

    async def _permit(self) -> None:
        self._at_limit = True
        try:
            await self.limit.permit()
        finally:
            self._at_limit = False

    async def _turn(self, lane: Lane) -> None:
        try:
            await self._turns.take(lane, self)
        finally:
            self.limit.in_flight -= 1
            self._slots.release(self.name)

    def close(self) -> set[asyncio.Task[None]]:
        """Forgets all lanes; returns the turns that are under way, of which none requeues."""
        for lane in self._lanes.values():
            lane.closed = True
        self._lanes = {}
        self._ready.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        return set(self._under_way)
