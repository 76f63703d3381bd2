"""One schedule: workers, traffic and faults, all from a seed, until all is quiet again."""

import asyncio
import contextlib
import functools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any
from unittest import mock

import mode

from streams import metrics
from streams.kafka.pending_writes import PENDING
from streams.kafka.unavailable import UNAVAILABLE
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import ALL
from tests.simulation import loop as loops
from tests.simulation import wire
from tests.simulation.evidence import GROUP, Evidence, Plan
from tests.simulation.faults import Faults
from tests.simulation.kafka import Kafka
from tests.simulation.loop import OfProcess, SimulatedLoop
from tests.simulation.network import Network, Weather
from tests.simulation.roles import SINK, Role
from tests.simulation.service import Service
from tests.simulation.stage import Stage
from tests.simulation.traffic import Traffic
from tests.simulation.worker import Worker

# Copied for each worker: to read settings takes longer than to start a worker otherwise does.
KAFKA = KafkaSettings(
    bootstrap_servers="broker-0:9092", initial_offset="earliest", session_timeout_s=6.0
)
_WORKER = WorkerSettings()
_QUIET_S = 600.0
_STOP_S = 300.0


class Story:
    """Told once by `run`; what came of it is its evidence."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.plan = plan or Plan.of(seed)
        self._rng = Random(f"story {seed}")
        self._seed = seed
        self.loop = SimulatedLoop(Random(f"turns {seed}"))
        kafka = Kafka(self.loop, Random(f"kafka {seed}"), self.plan.brokers)
        kafka.commits_take_s = self.plan.commits_take_s
        weather = Weather(Random(f"weather {seed}"))
        network = self.loop.network = Network(self.loop, weather, kafka.serve)
        members = kafka.group(GROUP).has
        service = Service(self.loop, Random(f"service {seed}"), members)
        service.refusal = self.plan.refusal
        for topic in ALL:
            policy = "compact" if topic.compacted else "delete"
            kafka.create(topic.name, self.plan.partitions, **{"cleanup.policy": policy})
        self.evidence = Evidence(seed, self.plan, kafka, service)
        self._stage = Stage(self.evidence, self.loop, network, self._rng, self._start_worker)
        self.faults = Faults(self._stage)
        self._traffic = Traffic(self.evidence, self.loop, self._rng)
        self._acts: list[Callable[[], Awaitable[None]]] = []
        self._skips = self.plan.skips
        # Names of static members that nobody has now.
        self._vacant: dict[str, list[str]] = {role.name: [] for role in self.plan.roles}

    def also(self, act: Callable[[], Awaitable[None]]) -> None:
        """Has something happen on purpose; the story does not end before it has."""
        self._acts.append(act)

    def all_stopped(self) -> AbstractAsyncContextManager[None]:
        """While it lasts no worker runs."""
        return self._stage.all_stopped()

    def run(self) -> Evidence:
        evidence = self.evidence
        with simulated_clocks(self.loop), wire.remembering(), contextlib.ExitStack() as stack:
            random.seed(self._seed)
            asyncio.set_event_loop(self.loop)
            stack.callback(asyncio.set_event_loop, None)
            stack.callback(self._clean_up)
            before = _count_deleted()
            self.loop.run_until_complete(self._tell())
            evidence.counted = _count_deleted() - before
            evidence.killed = {
                worker.name for worker in evidence.workers if self.loop.is_dead(worker.name)
            }
            evidence.seconds, evidence.turns = self.loop.now_s, self.loop.turns
        return evidence

    def _clean_up(self) -> None:
        for worker in self.evidence.workers:
            self.loop.kill(worker.name)
        loops.bury(collect=False)
        self.loop.close()

    async def _tell(self) -> None:
        for role in self._missing():
            self._start_worker(role)
        beside = [self._keep_alive(), self._attend()]
        if self.plan.goes_on:
            beside.append(self._traffic.go_on())
        watching = [asyncio.ensure_future(each) for each in beside]
        acts = (act() for act in self._acts)
        await asyncio.gather(self._traffic.write(), self.faults.inflict(), *acts)
        await self._until_quiet()
        for each in watching:
            each.cancel()
        self.evidence.not_ready = self._not_ready()
        alive = self._stage.alive
        for worker in alive:
            worker.tell_to_stop()
        if alive:
            await asyncio.wait([worker.task for worker in alive], timeout=_STOP_S)

    # -- workers

    def start_twin(self) -> None:
        """Starts one more under the name of the first, which is a static member."""
        first = self.evidence.workers[0]
        self._start_worker(first.role, first.instance)

    def start_another(self) -> None:
        """Starts one more sink than there are to be."""
        self._start_worker(SINK)

    def _start_worker(self, role: Role, instance: str | None = None) -> None:
        number = len(self.evidence.workers) + 1
        if self.plan.static and instance is None:
            vacant = self._vacant[role.name]
            instance = vacant.pop() if vacant else f"replica-{number}"
        plan = self.plan
        worker = _WORKER.model_copy(
            update={
                "max_in_flight_records": plan.in_flight,
                "shutdown_timeout_s": plan.drain_s,
            }
        )
        kafka = KAFKA.model_copy(
            update={
                "group_instance_id": instance,
                "bootstrap_servers": self.evidence.kafka.bootstrap,
                "deleted_records": "skip" if self._skips else "hold",
            }
        )
        build = functools.partial(role.build, kafka, worker, self.evidence.service)
        self.evidence.workers.append(Worker(self.loop, f"w{number}", role, build, instance))

    def _missing(self) -> Iterator[Role]:
        """A role for each worker that there should be and is not."""
        for role, wanted in self.plan.roles.items():
            yield from [role] * (wanted - sum(each.role is role for each in self._stage.alive))

    async def _keep_alive(self) -> None:
        """Starts again what ended, as a platform does."""
        known: set[str] = set()
        while True:
            await asyncio.sleep(0.5)
            for worker in self.evidence.workers:
                if worker.is_over and worker.name not in known:
                    known.add(worker.name)
                    names = {each.instance for each in self._stage.alive}
                    if worker.instance is not None and worker.instance not in names:
                        self._vacant[worker.role.name].append(worker.instance)
            for role in list(self._missing()):
                await asyncio.sleep(self._rng.uniform(0.1, 1.5))
                if not self._stage.is_closed:
                    self._start_worker(role)

    async def _attend(self) -> None:
        """As a person does who reads /ready, and does what the documents say.

        Where offsets were deleted, they let it go on; what cannot be unpacked they pass over.
        """
        while True:
            await asyncio.sleep(1.0)
            said = [worker.state() for worker in self._stage.alive]
            if not self._skips and any(each.startswith("records_deleted") for each in said):
                async with self._stage.all_stopped():
                    self._skips = True
            await self.faults.of_logs.pass_over("; ".join(said))

    def _not_ready(self) -> dict[str, str]:
        found = {}
        alive = self._stage.alive
        spare = Counter(worker.role for worker in alive)
        for worker in alive:
            state = worker.state()
            if state.startswith("no_partitions") and spare[worker.role] > self.plan.partitions:
                spare[worker.role] -= 1
            elif state:
                found[worker.name] = state
        return found

    # -- the end

    async def _until_quiet(self) -> None:
        until = self.loop.now_s + _QUIET_S
        while self.loop.now_s < until:
            await asyncio.sleep(0.2)
            if self._have_all_ended():
                # What is still to come of it.
                await asyncio.sleep(0.5)
                if self._have_all_ended() and not self._not_ready():
                    break
        self.evidence.all_ended = self._have_all_ended()

    def _have_all_ended(self) -> bool:
        return all(map(self._has_ended, self.plan.roles))

    def _has_ended(self, role: Role) -> bool:
        group = self.evidence.kafka.group(role.group)
        return group.state == "Stable" and all(
            group.offsets.get((topic.name, number), (0, ""))[0] >= partition.last_record + 1
            for topic in role.reads
            for number, partition in enumerate(self.evidence.kafka.topics[topic.name])
        )


def _count_deleted() -> float:
    """What all workers have counted: they share one process, and with it the counters."""
    return sum(
        sample.value
        for metric in metrics.RECORDS_DELETED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


_BORN_WITH_A_CLOCK = (
    "mode.services",
    "mode.threads",
    "faust.transport.consumer",
    "faust.transport.drivers.aiokafka",
)


@contextlib.contextmanager
def simulated_clocks(loop: SimulatedLoop) -> Iterator[None]:
    """All clocks that a worker and its libraries read show the loop's time."""
    monotonic, wall = loop.monotonic_of_process, loop.wall_of_process

    def gettime(clock: int) -> float:
        return loop.now_s if clock == time.CLOCK_BOOTTIME else monotonic()

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(time, "monotonic", monotonic))
        stack.enter_context(mock.patch.object(time, "time", wall))
        stack.enter_context(mock.patch.object(time, "clock_gettime", gettime))
        for module in _BORN_WITH_A_CLOCK:
            stack.enter_context(mock.patch(f"{module}.monotonic", monotonic))
        stack.enter_context(mock.patch.object(PENDING, "writes", OfProcess()))
        stack.enter_context(mock.patch.object(UNAVAILABLE, "waits", OfProcess()))
        # Bound when mode was imported.
        itertimer: Any = mode.Service.itertimer
        stack.enter_context(mock.patch.dict(itertimer.__kwdefaults__, clock=monotonic))
        yield
