"""What befalls workers, network, broker and service: drawn from a story's seed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from streams.topics import EVENTS, USER_UPDATE
from tests.simulation.evidence import Evidence, Fault
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.service import TIMEOUT_S
from tests.simulation.worker import Worker

_SPARE = 2


class Faults:
    """Inflicts faults, and writes down what it did."""

    def __init__(
        self,
        evidence: Evidence,
        loop: SimulatedLoop,
        network: Network,
        rng: Random,
        start_worker: Callable[[], object],
    ) -> None:
        self._evidence = evidence
        self._kafka = evidence.kafka
        self._service = evidence.service
        self._loop = loop
        self._network = network
        self._weather = network.weather
        self._rng = rng
        self._start_worker = start_worker
        self.kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "broker": self._restart_broker,
            "cut": self._cut,
            "down": self._take_service_down,
            "fails": self._make_service_fail,
            "flaky": self._make_network_flaky,
            "freeze": self._freeze,
            "join": self._join,
            "kill": self._kill,
            "leaderless": self._take_leader,
            "lost_answers": self._lose_answers,
            "stop": self._stop,
        }

    async def inflict(self) -> None:
        """Each begins when it will: they overlap."""
        plan, kinds = self._evidence.plan, list(self.kinds)
        await asyncio.gather(*(self._befall(self._rng.choice(kinds)) for _ in range(plan.faults)))

    async def _befall(self, kind: str) -> None:
        await asyncio.sleep(self._rng.uniform(0, self._evidence.plan.seconds))
        await self.kinds[kind]()

    @property
    def _alive(self) -> list[Worker]:
        return [worker for worker in self._evidence.workers if not worker.is_over]

    def _victim(self) -> Worker | None:
        return self._rng.choice(alive) if (alive := self._alive) else None

    def _note(self, kind: str, process: str = "", seconds: float = 0.0) -> None:
        now = self._loop.now_s
        self._evidence.faults.append(Fault(kind, process, now, now + seconds))

    # -- workers

    async def _kill(self) -> None:
        if victim := self._victim():
            self._note("kill", victim.name)
            self._loop.kill(victim.name)
            self._network.cut(victim.name)

    async def _stop(self) -> None:
        if victim := self._victim():
            self._note("stop", victim.name, 10.0)
            victim.tell_to_stop()

    async def _freeze(self) -> None:
        if victim := self._victim():
            seconds = self._rng.choice([0.5, 2.0, 5.0, 7.0, 12.0])
            self._note("freeze", victim.name, seconds)
            self._loop.freeze(victim.name, seconds)

    async def _join(self) -> None:
        if len(self._alive) < self._evidence.plan.workers + _SPARE:
            self._note("join")
            self._start_worker()

    # -- network and broker

    async def _cut(self) -> None:
        victim = self._victim()
        self._note("cut")
        self._network.cut(victim.name if victim and self._rng.random() < 1 / 2 else None)

    async def _make_network_flaky(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        self._note("flaky", "", seconds)
        self._weather.cut_every = self._rng.choice([20, 100])
        await asyncio.sleep(seconds)
        self._weather.cut_every = 0

    async def _restart_broker(self) -> None:
        seconds = self._rng.uniform(0.5, 8.0)
        loading = self._rng.uniform(0, 2)
        self._note("broker", "", seconds + loading)
        self._weather.is_down = True
        self._network.cut()
        await asyncio.sleep(seconds)
        self._kafka.restart(loading)
        self._weather.is_down = False

    async def _take_leader(self) -> None:
        topic = self._rng.choice([USER_UPDATE, EVENTS]).name
        partition = self._rng.choice(self._kafka.topics[topic])
        seconds = self._rng.uniform(0.5, 8)
        self._note("leaderless", "", seconds)
        partition.has_leader = False
        await asyncio.sleep(seconds)
        partition.has_leader = True

    # -- service

    async def _make_service_fail(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        self._note("fails", "", seconds)
        self._service.fails = self._rng.choice([0.1, 0.5])
        await asyncio.sleep(seconds)
        self._service.fails = 0.0

    async def _take_service_down(self) -> None:
        seconds = self._rng.uniform(0.5, 8)
        self._note("down", "", seconds)
        self._service.is_down = True
        await asyncio.sleep(seconds)
        self._service.is_down = False

    async def _lose_answers(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        # An answer may still be lost that was asked for at the end.
        self._note("lost_answers", "", seconds + TIMEOUT_S)
        self._service.loses_answers = 0.3
        await asyncio.sleep(seconds)
        self._service.loses_answers = 0.0
