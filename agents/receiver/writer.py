"""Writes messages to the raw topic, and knows what of it Kafka does not take at the moment."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from agents.receiver.answers import KAFKA_AWAY, KAFKA_REFUSES, TOO_LARGE, RefusedError
from agents.receiver.room import Claim
from streams.kafka.batch_writer import partition_of
from streams.logs import Seldom

log = structlog.get_logger()

Written: TypeAlias = "asyncio.Future[Any]"

WHAT_TO_DO = "see whether this user may write to mparticle-raw"
_BATCH_BYTES = 512 * 1024


class Writer:
    """Waits a set time for each acknowledgement; what is late stays with the producer.

    While a partition has something late, it is given nothing more: each try of mParticle's would
    leave one more copy. A producer of which Kafka refused something is given nothing more either,
    until another takes its place: in that partition a sequence number is missing.
    """

    def __init__(self, topic: str, seconds: float, most: int) -> None:
        """`most` is how many bytes a message may have, as far as anybody has told."""
        self.most = most
        """How many bytes a message may have for the topic to take it; less, once Kafka says so."""
        self.batch_bytes = min(_BATCH_BYTES, most)
        """How many bytes of messages the next producer is to send together."""
        self.refused = asyncio.Event()
        """Set while another producer is needed."""
        self.refusal: str | None = None
        """The error with which Kafka refused what was written last; None once it takes some."""
        self.acknowledged = 0
        self.waiting = 0
        self.is_away = False
        """Whether Kafka has acknowledged nothing since something became late."""
        self._topic = topic
        self._seconds = seconds
        self._producer: AIOKafkaProducer | None = None
        self._together = 0
        self._there = asyncio.Event()
        self._late = Counter[int]()
        self._turn = 0
        self._seldom = Seldom()

    def use(self, producer: AIOKafkaProducer, together: int) -> None:
        """From now on; it sends so many bytes of messages together at most."""
        self._producer, self._together = producer, together
        self.refused.clear()
        self._there.set()

    async def write(self, key: bytes | None, value: bytes, claim: Claim) -> None:
        """Returns when Kafka has the message; raises RefusedError when it has not, or not yet."""
        self.waiting += 1
        try:
            await self._write(key, value, claim)
        finally:
            self.waiting -= 1

    async def _write(self, key: bytes | None, value: bytes, claim: Claim) -> None:
        written: Written | None = None
        producer: AIOKafkaProducer | None = None
        partition = 0
        try:
            async with asyncio.timeout(self._seconds):
                await self._there.wait()
                producer, together = self._producer, self._together
                assert producer is not None
                count = len(await producer.partitions_for(self._topic))
                partition = self._partition(key, count)
                if self._late[partition]:
                    raise RefusedError(KAFKA_AWAY)
                # Another may have been refused meanwhile, and what is larger now is too large.
                if len(value) > self.most:
                    raise RefusedError(TOO_LARGE)
                written = await producer.send(self._topic, value, key, partition)
                claim.keep_until(written)
                written.add_done_callback(partial(self._ended, producer, together, len(value)))
                # Not for the future itself: it would be cancelled with us, and is not over then.
                await asyncio.wait({written})
        except TimeoutError:
            if written is not None:
                self._is_late(partition, written)
            raise RefusedError(KAFKA_AWAY) from None
        except KafkaError as error:
            if producer is not None and producer is self._producer:
                self._renew(error)
            raise RefusedError(KAFKA_REFUSES) from error
        if written.exception() is not None:
            raise RefusedError(TOO_LARGE if len(value) > self.most else KAFKA_REFUSES)

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

    def _ended(
        self, producer: AIOKafkaProducer, together: int, size: int, written: Written
    ) -> None:
        if (error := written.exception()) is None:
            self.is_away = False
            self.refusal = None
            self.acknowledged += 1
            return
        if isinstance(error, MessageSizeTooLargeError):
            self._learn(size, together)
        # What comes of one that is left says nothing of the present one.
        if producer is self._producer:
            self._renew(error)

    def _learn(self, size: int, together: int) -> None:
        """Kafka measures what was sent together; a message as large as that was sent alone."""
        if size >= together:
            self.most = min(self.most, size - 1)
            if self._seldom.lets("limit"):
                log.warning(
                    "limit_learned",
                    detail=f"Kafka refused a message of {size} bytes: larger ones are answered 413",
                    what_to_do="raise the topic's max.message.bytes and restart the receiver; let "
                    "its user describe the topic's configuration",
                )
        self.batch_bytes = max(1, min(self.batch_bytes, size))

    def _renew(self, error: BaseException) -> None:
        self._there.clear()
        self.refused.set()
        self.refusal = type(error).__name__
        if not isinstance(error, MessageSizeTooLargeError) and self._seldom.lets("refusal"):
            log.error("kafka_refuses", error=self.refusal, what_to_do=WHAT_TO_DO)
