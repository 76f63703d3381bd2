"""Writes messages to the raw topic, and knows what of it Kafka does not take at the moment."""

import asyncio
from collections import Counter
from typing import Any, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.receiver.answers import KAFKA_AWAY, KAFKA_REFUSES, RefusedError
from agents.receiver.room import Claim
from streams.engine.batches import partition_of

log = structlog.get_logger()

Written: TypeAlias = "asyncio.Future[Any]"

_WHAT_TO_DO = "see whether this user may write to mparticle-raw, and its max.message.bytes"


class Writer:
    """Waits a set time for each acknowledgement; what is late stays with the producer.

    While a partition has something late, it is given nothing more: each try of mParticle's would
    leave one more copy.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, seconds: float) -> None:
        self._producer = producer
        self._topic = topic
        self._seconds = seconds
        self._late = Counter[int]()
        self._turn = 0
        self.is_away = False
        """Whether Kafka has acknowledged nothing since something became late."""
        self.broken = asyncio.Event()
        """Set when Kafka refused something for good: the producer can write no more."""

    async def write(self, key: bytes | None, value: bytes, claim: Claim) -> None:
        """Returns when Kafka has the message; raises RefusedError when it has not, or not yet."""
        written: Written | None = None
        partition = 0
        try:
            async with asyncio.timeout(self._seconds):
                count = len(await self._producer.partitions_for(self._topic))
                partition = self._partition(key, count)
                if self._late[partition]:
                    raise RefusedError(KAFKA_AWAY)
                written = await self._producer.send(self._topic, value, key, partition)
                claim.keep_until(written)
                written.add_done_callback(self._ended)
                # Not for the future itself: it would be cancelled with us, and is not over then.
                await asyncio.wait({written})
        except TimeoutError:
            if written is not None:
                self._is_late(partition, written)
            raise RefusedError(KAFKA_AWAY) from None
        except KafkaError as error:
            self._breaks(error)
            raise RefusedError(KAFKA_REFUSES) from error
        if written.exception() is not None:
            raise RefusedError(KAFKA_REFUSES)

    def _partition(self, key: bytes | None, count: int) -> int:
        if key is not None:
            return partition_of(key, count)
        # In turn, and none where something is late if there is another.
        self._turn += 1
        turns = [(self._turn + step) % count for step in range(count)]
        return next((each for each in turns if not self._late[each]), turns[0])

    def _is_late(self, partition: int, written: Written) -> None:
        def over(_: Written) -> None:
            self._late[partition] -= 1

        self.is_away = True
        self._late[partition] += 1
        written.add_done_callback(over)

    def _ended(self, written: Written) -> None:
        if (error := written.exception()) is None:
            self.is_away = False
        else:
            self._breaks(error)

    def _breaks(self, error: BaseException) -> None:
        # What follows in that partition would be refused too: a sequence number is missing.
        if not self.broken.is_set():
            log.error("kafka_refuses", error=type(error).__name__, what_to_do=_WHAT_TO_DO)
        self.broken.set()
