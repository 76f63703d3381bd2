"""Faust as it comes, with agents as its documentation writes them."""

import os
from typing import Any

import faust
import orjson

from streams.settings import WorkerSettings
from streams.topics import RAW
from tests.kafka.leaks import work

app = faust.App(
    work.GROUP,
    broker=f"kafka://{work.KAFKA.bootstrap_servers}",
    datadir=os.environ["DATA_DIRECTORY"],
    value_serializer="raw",
    web_enabled=False,
    # Neither a topic nor an assignor of its own, which are for tables and leaders.
    topic_disable_leader=True,
    table_standby_replicas=0,
    # Only so that nobody has to wait for them.
    broker_commit_interval=0.2,
    broker_heartbeat_interval=0.1 * work.KAFKA.session_timeout_s,
    broker_session_timeout=work.KAFKA.session_timeout_s,
    stream_buffer_maxsize=WorkerSettings.load().max_in_flight_records,
)
_events = app.topic(work.TOPIC)
_raw = app.topic(work.KAFKA.topic(RAW.name))


def _task(value: bytes) -> work.Task:
    event = orjson.loads(value)
    return event["name"], event["raw"]["offset"]


async def one_by_one(stream: Any) -> None:
    async for value in stream:
        await work.do(app, _task(value))


async def in_batches(stream: Any) -> None:
    async for values in stream.take(4, within=60):
        await work.do(app, *map(_task, values))


async def acknowledging_what_is_done(stream: Any) -> None:
    async for event in stream.noack().events():
        try:
            await work.do(app, _task(event.value))
        except work.NotNowError:
            continue
        event.ack()


async def sending_on(stream: Any) -> None:
    async for event in stream.events():
        at = {"offset": event.message.offset}
        await _events.send(value=orjson.dumps({"raw": at, "message": event.value.decode()}))


match os.environ["WAY"]:
    case "one by one":
        app.agent(_events)(one_by_one)
    case "four at once":
        app.agent(_events, concurrency=4)(one_by_one)
    case "in batches":
        app.agent(_events)(in_batches)
    case "acknowledging what is done":
        app.agent(_events)(acknowledging_what_is_done)
    case "sending on":
        app.agent(_raw)(sending_on)


def _committed() -> Any:
    consumer: Any = app.consumer
    return (offset or 0 for offset in consumer._committed_offset.values())


work.attend(app, _committed)

if __name__ == "__main__":
    app.finalize()
    faust.Worker(app, loglevel="INFO").execute_from_commandline()
