"""A producer that takes what a topic would take, and keeps nothing but what is wrong with it."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import orjson
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.kafka.record_limits import written_size
from tests.fuzz.hostile import SECRET
from tests.streams.leaders import Cluster

_BATCH_BYTES = 512 * 1024
_WIDE = tuple(SECRET.encode(each) for each in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"))


class Sinkhole:
    """Stands where an AIOKafkaProducer stands, for `batches.write` and for dead letters."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.wrong: list[str] = []
        self.reasons: list[str] = []
        self.topics: list[str] = []
        """Of each batch, in the order in which they came."""
        self.bytes = 0
        self._limits = limits
        self.client = Cluster({0: 1, 1: 1})

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(_BATCH_BYTES, 0)

    async def send_batch(
        self, builder: BatchBuilder, topic: str, *, partition: int
    ) -> "asyncio.Future[Any]":
        written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        content = bytes(builder._build())
        self.topics.append(topic)
        self.bytes += len(content)
        if len(content) > self._limits[topic]:
            self.wrong.append(f"{len(content)} bytes for {topic}/{partition}")
            written.set_exception(MessageSizeTooLargeError())
        else:
            written.set_result(None)
        self._look(topic, content)
        return written

    async def send(self, topic: str, value: bytes, key: bytes | None) -> "asyncio.Future[Any]":
        if written_size(key, value, ()) > self._limits[topic]:
            self.wrong.append(f"a dead letter of {len(value)} bytes")
        letter = orjson.loads(value)
        self.reasons.append(letter["reason"])
        if letter["reason"] == "router_fault":
            self.wrong.append(f"router_fault: {letter['detail']}")
        self._look(topic, base64.b64decode(letter["value"]))
        self._look(topic, orjson.dumps({**letter, "value": ""}))
        written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def _look(self, topic: str, content: bytes) -> None:
        if any(each in content for each in _WIDE):
            self.wrong.append(f"a secret in {topic}")
