"""Gaps at the head of the log: what Kafka deleted before it was read is not passed in silence."""

import structlog
from faust.types import TP

from streams import metrics
from streams.engine.metadata import Progress
from streams.engine.start import Start
from streams.settings import KafkaSettings

log = structlog.get_logger()


class Gaps:
    """Holds the partitions whose next records Kafka does not have, unless a setting skips them."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.held: dict[TP, str] = {}
        """What is held, and a sentence that says what is missing."""

    def begin(self, tp: TP, start: Start) -> Progress | None:
        """Where a partition goes on; None when it is held."""
        committed, first = start.progress, start.first
        if first <= committed.offset <= start.end:
            return committed
        if self.holds(tp, committed.offset, first, start.end):
            return None
        later = ((max(begin, first), end) for begin, end in committed.ended if end > first)
        return Progress(first, tuple(later), committed.epoch)

    def holds(self, tp: TP, position: int, first: int, end: int | None = None) -> bool:
        """Holds a partition that is to go on at `position`; False when the setting skips.

        Kafka has it from `first` to before `end`, where that is known.
        """
        there = f"from {first} on" if end is None or position < first else f"{first} to {end}"
        said = f"{tp.topic}-{tp.partition}: offset {position} is next, Kafka has {there}"
        at = {"topic": tp.topic, "partition": tp.partition, "offset": position}
        missing = metrics.OFFSETS_DELETED.labels(topic=self._kafka.bare(tp.topic))
        missing.inc(max(0, first - position))
        if self._kafka.deleted_offsets == "skip":
            log.warning("offsets_deleted_skipped", **at, detail=said)
            return False
        self.held[tp] = said
        what_to_do = "set KAFKA_DELETED_OFFSETS=skip to go on without them"
        log.error("offsets_deleted", **at, detail=said, what_to_do=what_to_do)
        return True
