"""Writes messages to the raw topic, and knows what of it Kafka does not take at the moment."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.receiver.memory_budget import Claim
from agents.receiver.responses import KAFKA_AWAY, KAFKA_REFUSES, TOO_LARGE, RefusedError
from streams.kafka.batch_writer import partition_of, what_to_do
from streams.kafka.patient_producer import known_count
from streams.logs import Seldom

log = structlog.get_logger()

_BATCH_BYTES = 512 * 1024
# So long a message waits for others, as with Kafka's own producers (KIP-1030): a request to Kafka
# costs as much as several messages.
_LINGER_SECONDS = 0.005


class _Post:
    """A message that Kafka has not acknowledged yet, and who waits for that."""

    __slots__ = ("acknowledged_before", "answered", "claim", "is_late", "size")

    def __init__(
        self,
        size: int,
        claim: Claim,
        answered: "asyncio.Future[None]",
        acknowledged_before: int,
    ) -> None:
        self.size = size
        self.acknowledged_before = acknowledged_before
        self.claim = claim
        self.answered = answered
        self.is_late = False

    def answer(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)


class _Batch:
    """Messages that are written together."""

    def __init__(self, builder: BatchBuilder) -> None:
        self.builder = builder
        self.posts: list[_Post] = []
        self.error: BaseException | None = None
        """Why Kafka did not take it, once that is so."""

    def takes(self, key: bytes | None, value: bytes, post: _Post) -> bool:
        """Adds a message where there is room for it; for the first there always is."""
        if self.builder.append(timestamp=None, key=key, value=value) is None:
            return False
        self.posts.append(post)
        return True


class _Lane:
    """One partition's batches, in their order: while one is on its way, the last takes more."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        at: tuple[str, int],
        ready: Callable[["_Lane"], None],
        ended: Callable[[_Batch], None],
    ) -> None:
        """`ready` is told when there is something to be written, and answers with `begin`."""
        self._producer = producer
        self._topic, self._partition = at
        self._ready = ready
        self._ended = ended
        self._waiting = deque[_Batch]()
        self._is_busy = False
        self._writing: asyncio.Task[None] | None = None

    def add(self, key: bytes | None, value: bytes, post: _Post) -> _Batch:
        """The batch that it goes with."""
        if not self._waiting or not self._waiting[-1].takes(key, value, post):
            batch = _Batch(self._producer.create_batch())
            batch.takes(key, value, post)
            self._waiting.append(batch)
            if not self._is_busy:
                self._is_busy = True
                self._ready(self)
        return self._waiting[-1]

    def begin(self) -> None:
        self._writing = asyncio.create_task(self._write(self._waiting.popleft()))

    async def _write(self, batch: _Batch) -> None:
        batch.builder.close()
        try:
            written = await self._producer.send_batch(
                batch.builder, self._topic, partition=self._partition
            )
            await asyncio.wait({written})
            batch.error = written.exception()
        except KafkaError as error:
            batch.error = error
        self._is_busy = bool(self._waiting)
        if self._is_busy:
            self._ready(self)
        self._ended(batch)


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
        """Why Kafka refused what was written last, and what to do; None once it takes some."""
        self.acknowledged = 0
        self.waiting = 0
        self.is_away = False
        """Whether Kafka has acknowledged nothing since something was given to it that is late."""
        self.late = Counter[int]()
        """Of each partition, how many messages were answered before Kafka acknowledged them."""
        self._topic = topic
        self._seconds = seconds
        self._producer: AIOKafkaProducer | None = None
        # The lanes belong to the present producer.
        self._lanes: dict[int, _Lane] = {}
        # Those with something to be written, until it is time for that.
        self._ready: list[_Lane] = []
        self._there = asyncio.Event()
        self._turn = 0
        self._seldom = Seldom()

    def use(self, producer: AIOKafkaProducer) -> None:
        self._producer, self._lanes = producer, {}
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
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        partition = self._partition(key, self._known() or await self._asked(until))
        if self.late[partition]:
            raise RefusedError(KAFKA_AWAY)
        # Another may have been refused meanwhile, and what is larger now is too large.
        if len(value) > self.most:
            raise RefusedError(TOO_LARGE)
        post = _Post(len(value), claim, loop.create_future(), self.acknowledged)
        claim.keep()
        batch = self._lane(partition).add(key, value, post)
        patience = loop.call_at(until, self._is_late, partition, post)
        try:
            await post.answered
        finally:
            patience.cancel()
        if post.is_late:
            raise RefusedError(KAFKA_AWAY)
        if batch.error is not None:
            raise RefusedError(TOO_LARGE if post.size > self.most else KAFKA_REFUSES)

    def _known(self) -> int | None:
        """Returns how many partitions there are, where a producer that may write knows it."""
        if self._producer is None or not self._there.is_set():
            return None
        return known_count(self._producer, self._topic)

    async def _asked(self, until: float) -> int:
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout_at(until):
                await self._there.wait()
                producer = self._producer
                assert producer is not None
                return len(await producer.partitions_for(self._topic))
        except TimeoutError:
            raise RefusedError(KAFKA_AWAY) from None
        except KafkaError as error:
            if producer is self._producer:
                self._renew(error)
            raise RefusedError(KAFKA_REFUSES) from error

    def _lane(self, partition: int) -> _Lane:
        if (lane := self._lanes.get(partition)) is None:
            producer = self._producer
            assert producer is not None
            ended = partial(self._ended, producer, partition)
            lane = _Lane(producer, (self._topic, partition), self._ask, ended)
            self._lanes[partition] = lane
        return lane

    def _ask(self, lane: _Lane) -> None:
        if not self._ready:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._begin)
        self._ready.append(lane)

    def _begin(self) -> None:
        """Has all lanes write in the same turn: what they write goes in one request."""
        ready, self._ready = self._ready, []
        for lane in ready:
            lane.begin()

    def _partition(self, key: bytes | None, count: int) -> int:
        if key is not None:
            return partition_of(key, count)
        # Partitions take turns; one where something is late is passed over if there is another.
        self._turn += 1
        turns = [(self._turn + step) % count for step in range(count)]
        return next((each for each in turns if not self.late[each]), turns[0])

    def _is_late(self, partition: int, post: _Post) -> None:
        # While others of its time were acknowledged, it is its partition that is away.
        self.is_away = self.is_away or self.acknowledged == post.acknowledged_before
        self.late[partition] += 1
        post.is_late = True
        post.answer()

    def _ended(self, producer: AIOKafkaProducer, partition: int, batch: _Batch) -> None:
        error = batch.error
        if error is None:
            self.is_away = False
            self.refusal = None
            self.acknowledged += len(batch.posts)
        else:
            if isinstance(error, MessageSizeTooLargeError):
                self._learn([post.size for post in batch.posts])
            # The answer of a producer that was replaced says nothing about the present one.
            if producer is self._producer:
                self._renew(error)
        for post in batch.posts:
            post.claim.release()
            self.late[partition] -= post.is_late
            post.answer()

    def _learn(self, sizes: Sequence[int]) -> None:
        """Kafka measures what was sent together; who was sent alone is too large by itself."""
        size = min(sizes)
        if len(sizes) == 1:
            self.most = min(self.most, size - 1)
            if self._seldom.lets("limit"):
                log.warning(
                    "message_limit_lowered",
                    detail=f"Kafka refused a message of {size} bytes: larger ones are answered 413",
                    what_to_do="raise the topic's max.message.bytes and restart the receiver; let "
                    "its user describe the topic's configuration",
                )
        self.batch_bytes = max(1, min(self.batch_bytes, size))

    def _renew(self, error: BaseException) -> None:
        self._there.clear()
        self.refused.set()
        name, to_do = type(error).__name__, what_to_do(self._topic, error)
        self.refusal = f"{name}; {to_do}"
        if not isinstance(error, MessageSizeTooLargeError) and self._seldom.lets("refusal"):
            log.error("kafka_write_refused", error=name, what_to_do=to_do)
