"""Faust's Kafka transport, made of our consumer and an idempotent producer."""

from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.transport.drivers import aiokafka as driver

from streams.engine.consumer import Consumer
from streams.engine.processor import Processor
from streams.kafka.producing import patient
from streams.settings import KafkaSettings


class Producer(driver.Producer):
    """Idempotent: it neither gives up on a batch, nor reorders, nor writes it twice."""

    transport: "Transport"

    def _settings_default(self) -> Mapping[str, Any]:
        return {
            **self.transport.kafka.client_options(),
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": 512 * 1024,
            "max_request_size": 11 * 1024 * 1024,
        }

    def _new_producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        return patient(super()._new_producer(transactional_id))

    def _settings_auth(self) -> Mapping[str, Any]:
        return {}


class Transport(driver.Transport):
    """Joins Faust to the engine; what it holds is set before the app starts."""

    Consumer = Consumer
    Producer = Producer

    kafka: KafkaSettings
    make_processor: Callable[[], Processor]
    cluster: str = ""
