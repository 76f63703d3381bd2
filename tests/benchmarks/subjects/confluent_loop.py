"""A plain loop over confluent-kafka: fetch, map, produce, wait for the brokers, commit."""

import signal
import sys
from typing import Any, NoReturn

from confluent_kafka import Consumer, KafkaException, Producer

from agents.router.raw_message import RawMessage
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.benchmarks.meter import Meter
from tests.benchmarks.work import SETTINGS, Place, outputs_together

_AT_ONCE = 2_000


def main(group: str) -> None:
    kafka = KafkaSettings.load()
    work = Meter.of_this_process().marking_first("work", outputs_together)
    servers = {"bootstrap.servers": kafka.bootstrap_servers}
    consumer = Consumer(
        servers | {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    # Kafka's own default partitioner is not librdkafka's.
    producer = Producer(servers | {"enable.idempotence": True, "partitioner": "murmur2_random"})
    consumer.subscribe([kafka.topic(RAW.name)])
    signal.signal(signal.SIGTERM, _stop)
    try:
        while True:
            messages = consumer.consume(_AT_ONCE, timeout=0.1)
            raws = [_raw(message) for message in messages]
            for raw, outs in zip(raws, work(raws), strict=True):
                for out in outs:
                    producer.produce(
                        kafka.topic(out.topic),
                        out.value,
                        out.key,
                        timestamp=raw.received_at_ms,
                        headers=out.headers,
                        on_delivery=_delivered,
                    )
            producer.flush()
            if messages:
                consumer.commit(asynchronous=True)
    finally:
        consumer.close()


def _raw(message: Any) -> RawMessage:
    at = Place(message.topic(), message.partition(), message.offset())
    return RawMessage(message.value(), at, message.timestamp()[1], SETTINGS)


def _delivered(error: Any, _message: object) -> None:
    if error is not None:
        raise KafkaException(error)


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
