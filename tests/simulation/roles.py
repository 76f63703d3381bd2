"""What workers of a story do: route what is raw, or send to the destination."""

from collections.abc import Callable
from typing import Any, NamedTuple

from agents.router.processor import BEHIND, Router
from agents.router.settings import RouterSettings
from streams.dead_letters.writer import DeadLetters, FloodGuard
from streams.delivery.policy import OF_WORKERS, DeliveryPolicy, RetryPolicy
from streams.engine.processor import Processor
from streams.kafka.record_limits import RecordLimits
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import DEAD_LETTERS, RAW, Topic
from streams.worker.app import App, create_app
from streams.worker.sink_app import create_sink_app
from tests.simulation.service import TIMEOUT_S, Service, SimulatedSink

# Read once: it takes longer than to start a worker otherwise does.
_ROUTER = RouterSettings()


class Role(NamedTuple):
    """One of the components, as it is started on settings of its own."""

    name: str
    reads: tuple[Topic, ...]
    build: Callable[[KafkaSettings, WorkerSettings, Service], App]

    @property
    def group(self) -> str:
        return f"mparticle-streams-{self.name}"


def _router(kafka: KafkaSettings, worker: WorkerSettings, service: Service) -> App:
    del service

    def processor(app: App) -> Processor:
        producer, limits = app.kafka_producer, RecordLimits.of(kafka)
        letters = DeadLetters(producer, kafka.topic(DEAD_LETTERS.name), limits)
        guard = FloodGuard(worker.max_rejected_share, BEHIND)
        return Router(_ROUTER, kafka, producer, letters, guard, limits)

    app = create_app(ROUTER.name, ROUTER.reads, kafka, worker, processor, port=6066)
    return _read(app, ROUTER)


def sink_role(
    sink: Callable[[Service, KafkaSettings], SimulatedSink],
    policy: DeliveryPolicy = OF_WORKERS,
) -> Role:
    """What sends to the destination, by a sink that is made anew for each worker."""

    def build(kafka: KafkaSettings, worker: WorkerSettings, service: Service) -> App:
        made = sink(service, kafka)
        app = create_sink_app(made, kafka, worker, connections=8, port=6069, policy=policy)
        return _read(app, role)

    role = Role(SimulatedSink.destination, SimulatedSink.topics, build)
    return role


def _read(app: App, role: Role) -> App:
    for topic in role.reads:

        async def agent(stream: Any) -> None:
            await app.process(stream)

        agent.__name__ = topic.name.replace("-", "_")
        app.agent(app.source(topic))(agent)
    return app


SINK = sink_role(lambda service, _: SimulatedSink(service))
IMPATIENT_SINK = sink_role(
    lambda service, _: SimulatedSink(service), DeliveryPolicy(retry=RetryPolicy(patience_s=8.0))
)
"""Gives a lane up that fails by itself before a story has become long."""
HURRIED_SINK = sink_role(
    lambda service, _: SimulatedSink(service), DeliveryPolicy(updates_s=2 * TIMEOUT_S)
)
"""Waits for updates that stand still no longer than two requests may take."""
ROUTER = Role("router", (RAW,), _router)
