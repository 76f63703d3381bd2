"""Keeps how far sending rows again has come, as offsets and metadata of a group of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from agents.ab_tasty.topics import REFRESH_GROUP
from streams.delivery.sink import Feed
from streams.kafka.committed_offsets import read_committed
from streams.kafka.unreadable import UnreadableError
from streams.logs import Seldom
from streams.settings import KafkaSettings

log = structlog.get_logger()


class Done(NamedTuple):
    """The progress in one partition of the members' topic."""

    days: int = 0
    """ABTASTY_REFRESH_INTERVAL_DAYS as it was: another number makes other slices."""
    day: int = 0
    """The last day whose slice was sent."""
    since: int = 0
    """The first offset after which every leave was kept; before it nobody is known to be in."""

    def last_day(self, days: int) -> int:
        """The last day whose slice was done; 0 if that is not known, or the slices were others."""
        return self.day if self.days == days else 0


class Telling:
    """Has /ready and the log say what Kafka refuses; whoever asks tries again later."""

    def __init__(self, feed: Feed, kafka: KafkaSettings) -> None:
        self._feed = feed
        self._task = f"send members' rows again, as the group {kafka.group(REFRESH_GROUP)}"
        self._seldom = Seldom()
        # The first of a round of partitions that was refused is told, and stands until one without.
        self._is_refused = False

    @contextmanager
    def trying(self) -> Iterator[None]:
        try:
            yield
        except UnreadableError as error:
            self._refuse(error)
        except KafkaError as error:
            if not error.retriable:
                self._refuse(error)
            elif self._seldom.lets(type(error).__name__):
                log.warning("refresh_interrupted", error=type(error).__name__)

    def _refuse(self, error: Exception) -> None:
        if not self._is_refused:
            self._feed.record_refusal(self._task, error)
        self._is_refused = True

    def end_round(self) -> None:
        """All partitions that this worker has have been tried."""
        if not self._is_refused:
            self._feed.clear_refusal(self._task)
        self._is_refused = False


async def read_done(consumer: AIOKafkaConsumer, at: TopicPartition) -> Done:
    committed = await read_committed(consumer, [at])
    words = committed[at].metadata.split() if at in committed else []
    if len(words) != len(Done._fields) or not all(map(str.isdecimal, words)):
        return Done()
    return Done(*map(int, words))


async def keep_done(consumer: AIOKafkaConsumer, at: TopicPartition, end: int, done: Done) -> None:
    """Keeps it beside the partition's end, which says nothing by itself."""
    await consumer.commit({at: OffsetAndMetadata(end, " ".join(map(str, done)))})
