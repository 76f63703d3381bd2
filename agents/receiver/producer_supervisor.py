"""Keeps a producer that Kafka takes from, and says when there can be none any more."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from agents.receiver.writer import Writer
from streams.base_settings import SettingsError
from streams.engine.watchdog import Watchdog
from streams.kafka.clients import UnansweredError, answering, new_producer
from streams.settings import KafkaSettings

log = structlog.get_logger()

FRAME_BYTES = 2048
"""Room for a key and Kafka's own frame beside a message."""

_POLL_SECONDS = 5.0
# How long a broker may take to say that it is there.
_ANSWER_SECONDS = 5.0
# Between two producers of which none was acknowledged anything.
_PAUSE_SECONDS = 1.0
# For what Kafka does not take any more when all posts are answered, or of a producer that is left.
_FLUSH_SECONDS = 2.0


class ProducerSupervisor:
    """Gives the writer its producer, and another where that can write no more.

    Each has the settings of its time: a password that was exchanged in its file is read again.
    """

    def __init__(
        self, writer: Writer, read: Callable[[], KafkaSettings], stall_timeout_s: float
    ) -> None:
        self.dead: str | None = None
        """Why nothing can be written any more, once that is so."""
        self.ended = asyncio.Event()
        """Set with `dead`."""
        self._writer = writer
        self._read = read
        self._away: str | None = None
        # The count of acknowledged messages at that moment: one more says that Kafka is back.
        self._away_at = 0
        self._limit_s = stall_timeout_s
        self._work, self._login = Watchdog(stall_timeout_s), Watchdog(stall_timeout_s)
        # Whether a broker takes the connection, and then does not let us in.
        self._is_locked_out = False
        self._producer: AIOKafkaProducer | None = None
        self._leaving = set[asyncio.Task[None]]()
        # When a producer was last looked for: none is made again and again for nothing.
        self._acknowledged_before = -1

    @property
    def away(self) -> str | None:
        """Returns what is wrong while Kafka does not answer us; None while it does."""
        return self._away if self._writer.acknowledged == self._away_at else None

    @property
    def is_locked_out(self) -> bool:
        """Returns whether Kafka is there, and does not let us in."""
        return self._is_locked_out and self.away is not None

    async def __aenter__(self) -> Self:
        """Raises UnansweredError when Kafka is away or refuses."""
        await self._use(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._producer is not None:
            await _leave(self._producer)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def keep(self) -> None:
        """Looks until cancelled, and at once when Kafka has refused something."""
        look_s = min(_POLL_SECONDS, self._limit_s / 10)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self._writer.refused.wait()
            if self._writer.refused.is_set():
                if self._writer.acknowledged == self._acknowledged_before:
                    await asyncio.sleep(min(_PAUSE_SECONDS, look_s))
                self._acknowledged_before = self._writer.acknowledged
                await self._replace()
            elif await self._answers():
                self._away, self._is_locked_out = None, False
            else:
                await self._replace()
            self._look()

    async def _replace(self) -> None:
        try:
            kafka = self._read()
        except SettingsError as error:
            self._is_away(f"settings are not right: {error}", locked_out=True)
            return
        try:
            await self._use(kafka)
        except UnansweredError as error:
            self._is_away(str(error), locked_out=error.is_locked_out)
        else:
            self._away, self._is_locked_out = None, False

    def _is_away(self, why: str, *, locked_out: bool) -> None:
        self._away, self._is_locked_out = why, locked_out
        self._away_at = self._writer.acknowledged

    async def _use(self, kafka: KafkaSettings) -> None:
        producer = new_producer(
            kafka,
            waits=True,
            linger_ms=0,
            max_batch_size=self._writer.batch_bytes,
            max_request_size=self._writer.most + FRAME_BYTES,
        )
        try:
            async with answering(kafka):
                await producer.start()
        except BaseException:
            await _leave(producer)
            raise
        before, self._producer = self._producer, producer
        self._writer.use(producer)
        if before is not None:
            leaving = asyncio.create_task(_leave(before))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _answers(self) -> bool:
        assert self._producer is not None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answered: bool = await self._producer.client.force_metadata_update()
        except TimeoutError:
            return False
        return answered

    def _look(self) -> None:
        """An outage is none of ours: whoever starts again cannot start without Kafka."""
        writer, limit = self._writer, f"{self._limit_s:.0f} s"
        if self._login.is_stalled(None, excused=not self.is_locked_out):
            self._die(f"Kafka has let nobody in for {limit}", str(self.away))
        is_idle = not (writer.waiting or writer.is_away)
        if self._work.is_stalled(writer.acknowledged, excused=is_idle or self.away is not None):
            self._die(
                f"Kafka answers, and has acknowledged nothing for {limit}",
                "look at the brokers: replicas in sync, leaders, disks",
            )

    def _die(self, why: str, what_to_do: str) -> None:
        if self.dead is None:
            self.dead = f"{why}; {what_to_do}"
            log.error("stalled", detail=why, what_to_do=what_to_do)
            self.ended.set()


async def _leave(producer: AIOKafkaProducer) -> None:
    """Stops it, once it has written what it has, or after a while."""
    stopping = asyncio.create_task(producer.stop())
    await asyncio.wait({stopping}, timeout=_FLUSH_SECONDS)
    if not stopping.done():
        # Whoever waits is to be told, and what it held of the room given back.
        producer._message_accumulator.fail_all(KafkaConnectionError())  # noqa: SLF001 - guarded by a test
        await asyncio.wait({stopping}, timeout=_FLUSH_SECONDS)
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError, KafkaError, OSError):
        await stopping
