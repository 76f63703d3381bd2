"""One schedule: workers, traffic and faults, all from a seed, until all is quiet again."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

import mode
from aiokafka.partitioner import DefaultPartitioner

from models.event import Event
from models.record import RawPosition, Record, serialize
from models.user_update import AttributesChanged
from streams import headers
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import ALL, AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE, Topic
from streams.worker.app import App
from streams.worker.readiness import readiness
from streams.worker.sink_app import create_sink_app
from tests.simulation import loop as loops
from tests.simulation.evidence import GROUP, Evidence, Plan, Written
from tests.simulation.faults import Faults
from tests.simulation.kafka import Kafka
from tests.simulation.log import Partition
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network, Weather
from tests.simulation.service import REFUSED, Service, SimulatedSink
from tests.simulation.worker import Worker

_READ = (USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP)
# Copied for each worker: to read settings takes longer than to start a worker otherwise does.
_KAFKA = KafkaSettings(
    bootstrap_servers="broker:9092", start="earliest", session_timeout_s=6.0, drain_s=3.0
)
_WORKER = WorkerSettings()
_QUIET_S = 600.0
_STOP_S = 300.0
_REFUSED_SHARE, _MARKED_SHARE, _WRITTEN_AGAIN_SHARE = 0.02, 0.03, 0.05


class Story:
    """Told once by `run`; what came of it is its evidence."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.plan = plan or Plan.of(seed)
        self._rng = Random(f"story {seed}")
        self._seed = seed
        self.loop = SimulatedLoop(Random(f"turns {seed}"))
        kafka = Kafka(self.loop, Random(f"kafka {seed}"))
        weather = Weather(Random(f"weather {seed}"))
        network = self.loop.network = Network(self.loop, weather, kafka.serve)
        service = Service(self.loop, Random(f"service {seed}"))
        for topic in ALL:
            policy = "compact" if topic.compacted else "delete"
            kafka.create(topic.name, self.plan.partitions, **{"cleanup.policy": policy})
        self.evidence = Evidence(seed, self.plan, kafka, service)
        self._faults = Faults(self.evidence, self.loop, network, self._rng, self._start_worker)
        # Names of static members that nobody has now.
        self._vacant: list[str] = []

    def run(self) -> Evidence:
        evidence = self.evidence
        with simulated_clocks(self.loop), contextlib.ExitStack() as stack:
            random.seed(self._seed)
            asyncio.set_event_loop(self.loop)
            stack.callback(asyncio.set_event_loop, None)
            stack.callback(self._clean_up)
            self.loop.run_until_complete(self._tell())
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
        for _ in range(self.plan.workers):
            self._start_worker()
        keeping = asyncio.ensure_future(self._keep_alive())
        await asyncio.gather(self._write(), self._faults.inflict())
        await self._until_quiet()
        keeping.cancel()
        self.evidence.not_ready = self._not_ready()
        alive = self._alive
        for worker in alive:
            worker.tell_to_stop()
        if alive:
            await asyncio.wait([worker.task for worker in alive], timeout=_STOP_S)

    # -- workers

    def _start_worker(self) -> None:
        number = len(self.evidence.workers) + 1
        instance = None
        if self.plan.static:
            instance = self._vacant.pop() if self._vacant else f"replica-{number}"
        kafka = _KAFKA.model_copy(
            update={
                "group_instance_id": instance,
                "in_flight_records": self.plan.in_flight,
            }
        )

        def build() -> App:
            sink = SimulatedSink(self.evidence.service)
            app = create_sink_app(sink, kafka, _WORKER, connections=8, port=6069)
            for topic in _READ:
                _read(app, topic)
            return app

        self.evidence.workers.append(Worker(self.loop, f"w{number}", build, instance))

    @property
    def _alive(self) -> list[Worker]:
        return [worker for worker in self.evidence.workers if not worker.is_over]

    async def _keep_alive(self) -> None:
        """Starts again what ended, as a platform does."""
        known: set[str] = set()
        while True:
            await asyncio.sleep(1.0)
            for worker in self.evidence.workers:
                if worker.is_over and worker.name not in known:
                    known.add(worker.name)
                    if worker.instance is not None:
                        self._vacant.append(worker.instance)
            while len(self._alive) < self.plan.workers:
                await asyncio.sleep(self._rng.uniform(0.1, 3.0))
                self._start_worker()

    def _not_ready(self) -> dict[str, str]:
        found = {}
        alive = self._alive
        spare = max(0, len(alive) - self.plan.partitions)
        for worker in alive:
            if worker.app is None or worker.app.consumer is None:
                found[worker.name] = "not started"
                continue
            state, why = readiness(worker.app)
            if state == "no_partitions" and spare:
                spare -= 1
            elif state != "ready":
                found[worker.name] = f"{state}: {why}"
        return found

    # -- traffic

    async def _write(self) -> None:
        """Updates and events of each user, in an order that all topics share."""
        plan, partitioner = self.plan, DefaultPartitioner()
        every = list(range(plan.partitions))
        earlier: list[tuple[Partition, str, Record]] = []
        for number in range(plan.records):
            await asyncio.sleep(self._rng.expovariate(plan.records / plan.seconds))
            user = f"u{min(int(self._rng.expovariate(0.3)), plan.users - 1)}"
            is_refused = self._rng.random() < _REFUSED_SHARE
            topic = self._rng.choice([EVENTS, USER_UPDATE]).name
            place = partitioner(user.encode(), every, every)
            partition = self.evidence.kafka.topics[topic][place]
            record = self._record(topic, user, number, is_refused=is_refused)
            offset = self._append(partition, user, record)
            self.evidence.written.append(
                Written(topic, place, offset, user, record.id, self.loop.now_s, is_refused)
            )
            earlier.append((partition, user, record))
            if self._rng.random() < _WRITTEN_AGAIN_SHARE:
                # As a router does that was killed before it committed.
                self._append(*self._rng.choice(earlier[-20:]))

    def _append(self, partition: Partition, user: str, record: Record) -> int:
        kafka = self.evidence.kafka
        written = (user.encode(), serialize(record), headers.make(record.id, record.kind, 0))
        offset = partition.write([written], kafka.now_ms)
        if self._rng.random() < _MARKED_SHARE:
            # As after a transaction: an offset that no record has.
            partition.mark_transaction(9_999, kafka.now_ms, aborts=None)
        kafka.tell_arrived()
        return offset

    def _record(self, topic: str, user: str, number: int, *, is_refused: bool) -> Record:
        shared: dict[str, Any] = {
            "id": f"{user}/{number}",
            "mpid": user,
            "received_at_ms": self.evidence.kafka.now_ms,
            "raw": RawPosition(topic="mparticle-raw", partition=0, offset=number, index=0),
        }
        if topic == EVENTS.name:
            name = REFUSED if is_refused else "seen"
            return Event(kind="custom_event", name=name, **shared)
        said = {REFUSED: "1"} if is_refused else {"n": str(number)}
        return AttributesChanged(attributes=said, **shared)

    # -- the end

    async def _until_quiet(self) -> None:
        until = self.loop.now_s + _QUIET_S
        while self.loop.now_s < until:
            await asyncio.sleep(0.5)
            if self._have_all_ended():
                # Commits follow what ended.
                await asyncio.sleep(2.0)
                if self._have_all_ended() and not self._not_ready():
                    break
        self.evidence.all_ended = self._have_all_ended()

    def _have_all_ended(self) -> bool:
        group = self.evidence.kafka.group(GROUP)
        return group.state == "Stable" and all(
            group.offsets.get((topic.name, number), (0, ""))[0] >= partition.last_record + 1
            for topic in _READ
            for number, partition in enumerate(self.evidence.kafka.topics[topic.name])
        )


def _read(app: App, topic: Topic) -> None:
    async def agent(stream: Any) -> None:
        await app.process(stream)

    agent.__name__ = topic.name.replace("-", "_")
    app.agent(app.source(topic))(agent)


_BORN_WITH_A_CLOCK = (
    "mode.services",
    "mode.threads",
    "faust.transport.consumer",
    "faust.transport.drivers.aiokafka",
)


@contextlib.contextmanager
def simulated_clocks(loop: SimulatedLoop) -> Iterator[None]:
    """All clocks that a worker and its libraries read show the loop's time."""

    def monotonic() -> float:
        return loop.now_s

    def gettime(_clock: int) -> float:
        return loop.now_s

    def wall() -> float:
        return loop.wall_s

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(time, "monotonic", monotonic))
        stack.enter_context(mock.patch.object(time, "time", wall))
        stack.enter_context(mock.patch.object(time, "clock_gettime", gettime))
        for module in _BORN_WITH_A_CLOCK:
            stack.enter_context(mock.patch(f"{module}.monotonic", monotonic))
        # Bound when mode was imported.
        itertimer: Any = mode.Service.itertimer
        stack.enter_context(mock.patch.dict(itertimer.__kwdefaults__, clock=monotonic))
        yield
