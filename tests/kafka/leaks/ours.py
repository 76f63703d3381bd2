"""The same work behind our engine and delivery: what a destination's worker runs."""

from collections.abc import Iterator
from typing import Any

from streams.outcomes import Delivered, Outcome, RetryRecord
from streams.settings import WorkerSettings
from streams.topics import EVENTS
from streams.worker.app import App
from streams.worker.run import run
from streams.worker.sink_app import create_sink_app
from tests.kafka.leaks import work
from tests.streams.delivery.scripted import Request, ScriptedSink


class Working(ScriptedSink):
    destination = work.NAME
    topics = (EVENTS,)

    async def send(self, request: Request) -> Outcome:
        try:
            await work.do(app, *((each.name, each.raw.offset) for each in request.records))
        except work.NotNowError:
            return RetryRecord("server_error")
        return Delivered()


app: App = create_sink_app(
    Working(most=4), work.KAFKA, WorkerSettings.load(), connections=8, port=6069
)


@app.agent(app.source(EVENTS))
async def events(stream: Any) -> None:
    await app.process(stream)


def _committed() -> Iterator[int]:
    consumer: Any = app.consumer
    partitions = list(consumer.partitions.values())
    return (partition.committed.offset for partition in partitions)


work.attend(app, _committed)

if __name__ == "__main__":
    run(app)
