"""The router worker: `faust -A agents.router.app worker`."""

from typing import Any

from agents.router.processor import BEHIND, Router
from agents.router.settings import RouterSettings
from streams.dead_letters.writer import DeadLetters, FloodGuard
from streams.engine.processor import Processor
from streams.kafka.record_limits import RecordLimits
from streams.kafka.rights import ROUTER
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import DEAD_LETTERS, RAW
from streams.worker.app import App, create_app, settings_or_exit

_router = settings_or_exit(RouterSettings)
_kafka = settings_or_exit(KafkaSettings).called("router")
_worker = settings_or_exit(WorkerSettings, lambda: WorkerSettings.load_beside(_kafka))


def _processor(app: App) -> Processor:
    producer = app.kafka_producer
    limits = RecordLimits.of(_kafka)
    return Router(
        _router,
        _kafka,
        producer,
        DeadLetters(producer, _kafka.topic(DEAD_LETTERS.name), limits),
        FloodGuard(_worker.max_rejected_share, BEHIND),
        limits,
    )


app = create_app("router", (RAW,), _kafka, _worker, _processor, port=6066, needs=ROUTER)


@app.agent(app.source(RAW))
async def mparticle_raw(stream: Any) -> None:
    """Routes raw messages into topics by what they mean."""
    await app.process(stream)
