"""A stock Faust agent: one message at a time, as its guide writes them.

It does not wait for each record's acknowledgement: Faust flushes its producer before it commits.
"""

import sys
from typing import Any

import faust

from agents.registry import all_topics
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.benchmarks.meter import Meter
from tests.benchmarks.work import Place, outputs


def main(group: str) -> None:
    kafka = KafkaSettings.load()
    work = Meter.of_this_process().marking_first("work", outputs)
    app = faust.App(
        group,
        broker=f"kafka://{kafka.bootstrap_servers}",
        key_serializer="raw",
        value_serializer="raw",
        producer_acks=-1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        autodiscover=False,
    )
    written = {
        topic.name: app.topic(kafka.topic(topic.name)) for topic in all_topics() if topic is not RAW
    }

    @app.agent(app.topic(kafka.topic(RAW.name)))
    async def routed(stream: Any) -> None:
        async for event in stream.events():
            source = event.message
            at = Place(source.topic, source.partition, source.offset)
            for out in work(source.value, at, int(source.timestamp * 1000)):
                await written[out.topic].send(
                    key=out.key,
                    value=out.value,
                    timestamp=source.timestamp,
                    headers=out.headers,
                )

    app.finalize()
    faust.Worker(
        app, loglevel="WARNING", quiet=True, redirect_stdouts=False
    ).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1])
