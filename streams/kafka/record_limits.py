"""Asks how large a record each topic takes, and computes a record's size as it is written."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.kafka import clients
from streams.settings import KafkaSettings
from streams.topics import ALL, AUDIENCES, BY_USER, DEAD_LETTERS, PRIVACY_REQUESTS, RAW

SMALL = (
    "raise its max.message.bytes to that of mparticle-raw, or records that are larger become dead "
    "letters (record_too_large)"
)

_LIMIT = "max.message.bytes"
# The topics of what the router makes of raw messages.
_WRITTEN = (*BY_USER, AUDIENCES, PRIVACY_REQUESTS, DEAD_LETTERS)


def written_size(key: bytes | None, value: bytes, headers: Iterable[tuple[str, bytes]]) -> int:
    """Bytes of a record alone in its batch, which is what a topic's limit is for; at most so many.

    That it may be compressed does not count: nobody knows beforehand to how much.
    """
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers))
    return size


class RecordLimits:
    """The largest record of each topic, asked for once: name without prefix -> bytes."""

    def __init__(self, ask: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._ask = ask
        self._known: Mapping[str, int] | None = None

    @classmethod
    def of(cls, kafka: KafkaSettings) -> "RecordLimits":
        return cls(partial(ask, kafka))

    async def read(self) -> Mapping[str, int]:
        """Raises KafkaError when Kafka is away."""
        if self._known is None:
            self._known = await self._ask()
        return self._known


async def ask(kafka: KafkaSettings) -> Mapping[str, int]:
    """Asks Kafka; of a topic that we may not ask about, KAFKA_MAX_MESSAGE_BYTES says it."""
    names = {kafka.topic(topic.name): topic.name for topic in ALL}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {_LIMIT: None}) for name in names]
    async with clients.admin(kafka) as admin:
        answers = await admin.describe_configs(asked)
    told = {
        names[name]: int(value)
        for answer in answers
        for error, _, _, name, options in answer.resources
        for _, value, *_ in options
        if not error and name in names
    }
    return {name: told.get(name, kafka.max_message_bytes) for name in names.values()}


def smaller_than_raw(limits: Mapping[str, int]) -> list[str]:
    """The topics that cannot take a record as large as a raw message may be."""
    return [topic.name for topic in _WRITTEN if limits[topic.name] < limits[RAW.name]]
