"""Builds a worker's Faust app: group, transport, pages, drain."""

from collections.abc import Callable
from typing import Any, TypeVar

import faust
from aiokafka import AIOKafkaProducer
from faust.types.web import Request, Response, View
from mode import CrashingSupervisor
from yarl import URL

from streams import metrics
from streams.base_settings import Settings, SettingsError
from streams.engine import gauges
from streams.engine.chunks import ChunkScheduler, ChunkSchema
from streams.engine.consumer import Transport
from streams.engine.group_lease import GroupLease
from streams.engine.processor import Processor
from streams.engine.refusals import Refusals
from streams.kafka.rights import Rights
from streams.settings import DRY_RUN_SUFFIX, KafkaSettings, WorkerSettings
from streams.topics import RAW, Topic
from streams.worker import pages
from streams.worker.readiness import readiness
from streams.worker.readiness_log import keep_states
from streams.worker.run import Worker
from streams.worker.web import Web

_YEARS = 10 * 365 * 24 * 3600.0


class App(faust.App):
    """A Faust app that knows its worker's name, settings and topics."""

    worker_name: str
    worker_settings: WorkerSettings
    kafka: KafkaSettings
    reads: tuple[Topic, ...]
    needs: Rights | None

    def _create_directories(self) -> None:
        """Does nothing: they are for tables, of which there are none."""

    def _new_web(self) -> Web:
        """Its pages' port lets strangers in as far as the receiver's ports do."""
        return Web(self)

    @property
    def kafka_producer(self) -> AIOKafkaProducer:
        """The producer behind Faust's, which takes whole batches; there once the app starts."""
        producer: Any = self.producer
        return producer._producer  # noqa: SLF001 - guarded by a test

    @property
    def lease(self) -> GroupLease:
        consumer: Any = self.consumer
        lease: GroupLease = consumer.lease
        return lease

    @property
    def refusals(self) -> Refusals:
        consumer: Any = self.consumer
        refusals: Refusals = consumer.refusals
        return refusals

    @property
    def part_of_partitions(self) -> float:
        """What this worker has of all partitions that its group reads, from 0 to 1."""
        consumer: Any = self.consumer
        part: float = consumer.part_of_partitions
        return part

    @property
    def processor(self) -> Processor:
        consumer: Any = self.consumer
        processor: Processor = consumer.processor
        return processor

    async def process(self, stream: Any) -> None:
        """Hands an agent's chunks to the worker's processor, which ends their records.

        Without Faust's acknowledgements: those also come when an agent fails.
        """
        async for chunk in stream.noack():
            await self.processor.accept(chunk)

    def source(self, topic: Topic) -> Any:
        """A topic of chunks, to be read by an agent."""
        return self.topic(self.kafka.topic(topic.name), schema=ChunkSchema(), internal=False)


S = TypeVar("S", bound=Settings)


def settings_or_exit(group: type[S], load: Callable[[], S] | None = None) -> S:
    """Reads settings; a wrong one ends the process with a sentence instead of a stack trace."""
    try:
        return (load or group.load)()
    except SettingsError as error:
        raise SystemExit(f"Settings are not right: {error}") from None


def create_app(
    name: str,
    reads: tuple[Topic, ...],
    kafka: KafkaSettings,
    worker: WorkerSettings,
    processor: Callable[[App], Processor],
    *,
    port: int,
    needs: Rights | None = None,
) -> App:
    """One worker's app; `processor` is called when the app starts.

    What it `needs` at Kafka is looked for before that.

    `port` is that of its pages, unless WORKER_PORT is set; a dry run beside it has another.
    """
    pages_port = port + 10 if name.endswith(DRY_RUN_SUFFIX) else port
    url = URL(f"kafka://{kafka.bootstrap_servers.split(',')[0]}")
    app = App(
        kafka.group(name),
        broker=url,
        autodiscover=False,
        agent_supervisor=CrashingSupervisor,
        ConsumerScheduler=ChunkScheduler,
        Worker=Worker,
        # Chunks, not records.
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        broker_session_timeout=kafka.session_timeout_s,
        # Also Faust's patience with a takeover, after which it would go on without one.
        broker_request_timeout=_YEARS,
        broker_max_poll_interval=_YEARS,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_bind=worker.host,
        web_host=worker.host,
        web_port=worker.port or pages_port,
    )
    app.worker_name, app.worker_settings, app.kafka = name, worker, kafka
    app.reads, app.needs = reads, needs
    transport = Transport([url], app)
    transport.kafka, transport.worker = kafka, worker
    app.transport = app.producer_transport = transport
    transport.make_processor = lambda: processor(app)
    for topic in reads:
        # The series begins at 0, or increase() does not see the first event.
        for counter in (metrics.RECORDS_READ, metrics.RECORDS_ENDED, metrics.RECORDS_DELETED):
            counter.labels(topic=topic.name)
    _drain_on_shutdown(app)
    _serve_pages(app)
    _log_states(app)
    return app


def _drain_on_shutdown(app: App) -> None:
    @app.on_before_shutdown.connect
    async def drain(*_: Any, **__: Any) -> None:
        consumer: Any = app.consumer
        await consumer.end()


def _log_states(app: App) -> None:
    async def states() -> None:
        await keep_states(lambda: readiness(app))

    app.task(states)


def _serve_pages(app: App) -> None:
    destination = "" if RAW in app.reads else app.worker_name

    @app.page("/metrics")
    async def _metrics(view: View, _request: Request) -> Response:
        consumer: Any = app.consumer
        gauges.observe(consumer.partitions.values(), app.kafka.bare, destination)
        gauges.observe_readiness(readiness(app)[0])
        return view.bytes(metrics.exposition(), content_type="text/plain")

    @app.page("/live")
    async def _live(view: View, _request: Request) -> Response:
        return view.json(pages.LIVE)

    @app.page("/ready")
    async def _ready(view: View, _request: Request) -> Response:
        body, status = pages.ready(readiness(app)[1])
        return view.json(body, status=status)
