"""Quix Streams: one dataframe from the raw topic to the topics of the records."""

import sys

from quixstreams import Application, message_context
from quixstreams.models import Serializer

from agents.registry import all_topics
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.benchmarks.meter import Meter
from tests.benchmarks.work import Output, Place, outputs


class _Value(Serializer):  # type: ignore[misc]  # not always installed, so Any to mypy
    def __call__(self, value: Output, ctx: object) -> bytes:
        return value.value


def main(group: str) -> None:
    kafka = KafkaSettings.load()
    work = Meter.of_this_process().marking_first("work", outputs)
    app = Application(
        broker_address=kafka.bootstrap_servers,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        producer_extra_config={"enable.idempotence": True, "partitioner": "murmur2_random"},
        auto_create_topics=False,
        loglevel="WARNING",
    )
    written = {
        topic.name: app.topic(
            kafka.topic(topic.name), value_serializer=_Value(), key_serializer="bytes"
        )
        for topic in all_topics()
        if topic is not RAW
    }

    def mapped(value: bytes, _key: object, timestamp: int, _headers: object) -> list[Output]:
        context = message_context()
        return work(value, Place(context.topic, context.partition, context.offset), timestamp)

    raw = app.topic(kafka.topic(RAW.name), value_deserializer="bytes", key_deserializer="bytes")
    frame = app.dataframe(raw).apply(mapped, expand=True, metadata=True)
    frame = frame.set_headers(lambda out, *_: out.headers)
    frame.to_topic(lambda out, *_: written[out.topic], key=lambda out: out.key)
    app.run()


if __name__ == "__main__":
    main(sys.argv[1])
