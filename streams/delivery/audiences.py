"""Follows the compacted topic `audiences`: what is known of each, whole at start and then live."""

from collections.abc import Callable

import structlog
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.audience import Audience
from streams.delivery.followed import Followed
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES

log = structlog.get_logger()


class Audiences(Followed):
    """Tells `learn` of every audience."""

    def __init__(self, kafka: KafkaSettings, learn: Callable[[Audience], None]) -> None:
        super().__init__(kafka, AUDIENCES, self._parse)
        self._learn = learn

    def _parse(self, record: ConsumerRecord) -> None:
        if record.value is None:
            return  # a tombstone: what is known does no harm
        try:
            audience: Audience = AUDIENCES.holds.validate_json(record.value)
        except ValidationError as error:
            # Written by somebody else. It is knowledge and no delivery: nothing is lost with it.
            log.warning(
                "audience_unreadable",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                errors=error.error_count(),
            )
        else:
            self._learn(audience)
