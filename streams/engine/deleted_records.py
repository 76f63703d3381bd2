"""Notices records that Kafka deleted before they were read: gaps at the head of the log."""

from dataclasses import replace

import structlog
from faust.types import TP

from streams import metrics
from streams.engine.held_partitions import Hold, Holds
from streams.kafka.commit_metadata import Progress
from streams.kafka.log_bounds import Bounds
from streams.settings import KafkaSettings

log = structlog.get_logger()


class DeletedRecords:
    """Holds the partitions whose next records Kafka does not have, unless a setting skips them."""

    def __init__(self, kafka: KafkaSettings, holds: Holds) -> None:
        self._kafka = kafka
        self._holds = holds

    def begin(self, tp: TP, committed: Progress, there: Bounds) -> Progress | None:
        """Returns where a partition goes on; None when it is held."""
        if there.first <= committed.offset <= there.end:
            return replace(committed, ended=_of_this_log(committed, there))
        if self.holds(tp, committed.offset, there.first, there.end):
            return None
        if committed.offset > there.end:
            # Another log, or what is left of one: what ended in the old says nothing of the new.
            return Progress(there.first, epoch=committed.epoch)
        later = tuple(
            (max(begin, there.first), end)
            for begin, end in _of_this_log(committed, there)
            if end > there.first
        )
        return replace(committed, offset=there.first, ended=later)

    def holds(self, tp: TP, position: int, first: int, end: int | None = None) -> bool:
        """Holds a partition that is to go on at `position`; False when the setting skips.

        Kafka has it from `first` to before `end`, where that is known.
        """
        there = f"from {first} on" if end is None or position < first else f"{first} to {end}"
        said = f"{tp.topic}-{tp.partition}: offset {position} is next, Kafka has {there}"
        at = {"topic": tp.topic, "partition": tp.partition, "offset": position}
        missing = metrics.RECORDS_DELETED.labels(topic=self._kafka.bare(tp.topic))
        missing.inc(max(0, first - position))
        if self._kafka.deleted_records == "skip":
            log.warning("records_deleted_skipped", **at, detail=said)
            return False
        self._holds[tp] = Hold("records_deleted", said)
        what_to_do = "set KAFKA_DELETED_RECORDS=skip to go on without them"
        log.error("records_deleted", **at, detail=said, what_to_do=what_to_do)
        return True


def _of_this_log(committed: Progress, there: Bounds) -> tuple[tuple[int, int], ...]:
    """The runs, unless they reach beyond the log's end: then they are of another."""
    reaches = committed.ended[-1][1] if committed.ended else 0
    return committed.ended if reaches <= there.end else ()
