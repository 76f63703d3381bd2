"""A worker's app that is finished and not started: no broker is asked for anything."""

from streams.engine.processor import Processor
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import RAW
from streams.worker.app import App, create_app


def router_app() -> App:
    app = create_app("router", (RAW,), KafkaSettings(), WorkerSettings(), _no_processor, port=6066)
    app.finalize()
    return app


def _no_processor(app: App) -> Processor:
    raise AssertionError("an app that is not started asks for no processor")
