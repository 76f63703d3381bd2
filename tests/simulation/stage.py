"""Where a story takes place: what its faults act upon."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from random import Random

from streams.topics import EVENTS, USER_UPDATE
from tests.simulation.evidence import GROUP, Evidence, Fault
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network, Weather
from tests.simulation.roles import Role
from tests.simulation.worker import Worker

_PATIENCE_S = 60.0


@dataclass
class Stage:
    evidence: Evidence
    loop: SimulatedLoop
    network: Network
    rng: Random
    start_worker: Callable[[Role], object]
    """Starts one more."""
    closed: int = 0
    """How many persons keep all workers stopped now."""

    @property
    def weather(self) -> Weather:
        return self.network.weather

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.evidence.workers if not worker.is_over]

    @property
    def is_closed(self) -> bool:
        return self.closed > 0

    def note(self, kind: str, process: str = "", seconds: float = 0.0) -> None:
        now = self.loop.now_s
        self.evidence.faults.append(Fault(kind, process, now, now + seconds))

    def any_place(self) -> tuple[str, int]:
        """A topic that workers read, and one of its partitions by number."""
        topic = self.rng.choice([USER_UPDATE, EVENTS]).name
        return topic, self.rng.randrange(len(self.evidence.kafka.topics[topic]))

    def any_user(self) -> str | None:
        """One of whom something was written; None before that."""
        written = self.evidence.written
        return self.rng.choice(written).user if written else None

    @contextlib.asynccontextmanager
    async def all_stopped(self) -> AsyncIterator[None]:
        """As a person does who follows the documents: Kafka lets nobody move what is in use."""
        self.closed += 1
        try:
            for worker in self.alive:
                self.note("stop", worker.name, 10.0)
                worker.tell_to_stop()
            group = self.evidence.kafka.group(GROUP)
            until = self.loop.now_s + _PATIENCE_S
            while self.loop.now_s < until and (self.alive or group.members):  # noqa: ASYNC110 - simulated time
                await asyncio.sleep(0.2)
            yield
        finally:
            self.closed -= 1
