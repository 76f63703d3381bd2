"""A destination's worker: its settings are read, and its Faust app is built."""

from agents.registry import Destination
from streams.settings import KafkaSettings, WorkerSettings
from streams.worker.app import App, settings_or_exit
from streams.worker.sink_app import create_sink_app


def worker_app(destination: Destination) -> App:
    """The app without its agents; a wrong setting ends the process with one sentence."""
    settings = settings_or_exit(destination.settings)
    kafka = settings_or_exit(KafkaSettings).called(destination.name)
    return create_sink_app(
        destination.sink(settings, kafka),
        kafka,
        settings_or_exit(WorkerSettings, lambda: WorkerSettings.load_beside(kafka)),
        connections=settings.max_concurrent_requests,
        port=destination.port,
        needs=destination.rights,
    )
