"""Follows the compacted topic `audiences`: what is known of each, whole at start and then live."""

from collections.abc import Callable

from aiokafka.structs import ConsumerRecord

from models.audience import Audience
from streams.kafka.tables import Followed, known
from streams.settings import KafkaSettings
from streams.topics import AUDIENCES


class Audiences(Followed):
    """Tells `learn` of every audience."""

    def __init__(self, kafka: KafkaSettings, learn: Callable[[Audience], None]) -> None:
        super().__init__(kafka, AUDIENCES, self._hear)
        self._learn = learn

    def _hear(self, record: ConsumerRecord) -> None:
        audience: Audience | None = known(AUDIENCES, record)
        if audience is not None:
            self._learn(audience)
