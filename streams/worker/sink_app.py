"""Builds a sink's Faust app: what all destinations share."""

from typing import Any

from streams.dead_letters.writer import DeadLetters
from streams.delivery.completion import Completion
from streams.delivery.components import Components
from streams.delivery.delivery import Delivery
from streams.delivery.history import History
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.staleness import Staleness
from streams.delivery.ordering.update_barrier import NoBarrier, UpdateBarrier
from streams.delivery.policy import OF_WORKERS, DeliveryPolicy
from streams.delivery.rate_limit.demand_exchange import DemandExchange
from streams.delivery.sink import Outlet, Sink
from streams.kafka.log_end import LogEnd
from streams.kafka.record_limits import RecordLimits
from streams.kafka.rights import Rights, of_sink
from streams.kafka.tables import FollowedTable
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import AUDIENCES, DEAD_LETTERS, USER_UPDATE
from streams.worker.app import App, create_app
from streams.worker.dry_run import CountedDeadLetters, dry_run


def create_sink_app(
    sink: Sink[Any],
    kafka: KafkaSettings,
    worker: WorkerSettings,
    *,
    connections: int,
    port: int,
    needs: Rights | None = None,
    policy: DeliveryPolicy = OF_WORKERS,
) -> App:
    """One destination's app, without its agents; of a sink that keeps nothing, `needs` is known."""
    rights = needs or of_sink(sink.destination, sink.topics)
    outlet = dry_run(sink) if worker.dry_run else Outlet.of(sink)
    if worker.dry_run:
        rights = rights.in_dry_run(outlet.name)

    def delivery(app: App) -> Delivery:
        deduplication = Deduplication(worker.dedup_max_ids)
        updates = kafka.topic(USER_UPDATE.name)
        barrier: UpdateBarrier = NoBarrier()
        if USER_UPDATE in sink.topics:
            barrier = UpdateBarrier(updates, LogEnd(kafka, updates), policy, outlet.prepares)
        letters = (
            CountedDeadLetters()
            if worker.dry_run
            else DeadLetters(
                app.kafka_producer, kafka.topic(DEAD_LETTERS.name), RecordLimits.of(kafka)
            )
        )
        components = Components(
            outlet,
            {kafka.topic(topic.name): topic for topic in sink.topics},
            Completion(outlet.name, letters, deduplication, barrier),
            deduplication,
            Staleness.beside(worker.dedup_max_ids),
            barrier,
            app.lease.is_held,
            policy,
        )
        return Delivery(
            components,
            History(kafka),
            FollowedTable.of_values(kafka, AUDIENCES, outlet.learn),
            connections,
            worker.max_rejected_share,
            DemandExchange(kafka, outlet.name, lambda: app.part_of_partitions),
            app.refusals,
        )

    return create_app(outlet.name, sink.topics, kafka, worker, delivery, port=port, needs=rights)
