"""A worker's app that is finished and not started: no broker is asked for anything."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from faust.types import TP

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


def consumer_of(
    thread: object, processor: object, assigned: Collection[TP], app: App | None = None
) -> Any:
    """A consumer that was assigned partitions; what it asks of Kafka it asks of `thread`."""
    consumer: Any = (app or router_app()).consumer
    consumer._thread = thread
    consumer.processor = processor
    consumer._set_active_tps(set(assigned))
    return consumer


def thread_of(driver: object) -> Any:
    """The thread of a consumer, without being one; `driver` stands in aiokafka's place."""
    consumer: Any = router_app().consumer
    consumer._thread._consumer = driver
    consumer._thread.ask = lambda question: question
    return consumer._thread


def coordinator_of(**own: object) -> Any:
    """In place of aiokafka's coordinator of a group: of a member, and what a test gives it."""

    async def nothing(*_: object) -> None:
        pass

    parts = {
        "generation": 1,
        "member_id": "",
        "close": nothing,
        "reset_generation": lambda: None,
        "_client": None,
        "_do_commit_offsets": nothing,
        "_do_heartbeat": nothing,
        "_perform_assignment": nothing,
    }
    return SimpleNamespace(**parts | own)
