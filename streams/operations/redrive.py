"""Redrive: the record that a dead letter was made of goes back to its topic, marked for whom."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, Self

import orjson
from aiokafka import AIOKafkaProducer

from models.dead_letter import DeadLetter
from streams import headers
from streams.dead_letters.reader import Found
from streams.dead_letters.writer import key_is_whole
from streams.kafka import clients
from streams.kafka.batch_writer import partition_of
from streams.kafka.clients import answering
from streams.operations.dedup_reach import Reach
from streams.operations.key_places import count_by_user
from streams.settings import KafkaSettings
from streams.topics import BY_USER, RAW, USER_UPDATE


class Again(NamedTuple):
    """A record to send again, under the key that it had, to where that key's records are now."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Plan:
    """Says of each dead letter what is to be sent again, or in a clause why not.

    `partitions` are those of every topic there is. What is beyond the `reach` of workers is left:
    they no longer know what was delivered of it, and what came since. Nor may those of another
    partition, to which its user has moved. Without a reach all may go.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        partitions: Mapping[str, int],
        reach: Reach | None,
    ) -> None:
        self._kafka = kafka
        self._sinks_read = {kafka.topic(topic.name) for topic in BY_USER}
        self._router_reads = {kafka.topic(RAW.name)}
        self._updates = kafka.topic(USER_UPDATE.name)
        self._partitions = partitions
        self._reach = reach
        # Digests: what was sent again, and failed again, stands at another place.
        self._raw: set[bytes] = set()
        self.updates = 0

    def of(self, found: Found) -> Again | str | None:
        """None when its raw message goes already, for another of its parts or of its failures.

        Each is asked once.
        """
        letter = found.letter
        if why_not := self.why_not(found):
            return why_not
        if letter.stage == "router":
            digest = hashlib.sha256(letter.value).digest()
            if digest in self._raw:
                return None
            self._raw.add(digest)
        self.updates += letter.topic == self._updates
        home = self._home(letter)
        return Again(letter.topic, home, letter.key, letter.value, _headers(found))

    def why_not(self, found: Found) -> str | None:
        """The same, without deciding that it is sent."""
        return self._astray(found) or self._lacking(found) or self._forgotten(found)

    def _home(self, letter: DeadLetter) -> int:
        """Returns the partition where what comes now of its user is, and who remembers them.

        A raw message stays where it was: the router goes by the keys of what it makes of it.
        """
        if letter.stage == "router" or letter.key is None:
            return letter.partition
        return partition_of(letter.key, count_by_user(self._kafka, self._partitions))

    def _astray(self, found: Found) -> str | None:
        letter = found.letter
        read = self._router_reads if letter.stage == "router" else self._sinks_read
        if letter.topic not in read:
            return f"{found.failed_at} reads no topic {letter.topic} here: see KAFKA_PREFIX"
        if letter.partition >= self._partitions.get(letter.topic, 0):
            return f"{letter.topic} has no partition {letter.partition} any more"
        return None

    def _lacking(self, found: Found) -> str | None:
        letter = found.letter
        if letter.truncated:
            place = f"{letter.topic}/{letter.partition}/{letter.offset}"
            return (
                f"it keeps only the first {len(letter.value)} of {letter.length} bytes: "
                f"replay {place}, if Kafka still has it"
            )
        if not key_is_whole(letter.key):
            return "its key was too long to be kept"
        return None

    def _forgotten(self, found: Found) -> str | None:
        letter, reach = found.letter, self._reach
        if reach is None:
            return None
        if (home := self._home(letter)) != letter.partition:
            return (
                f"its user has moved to partition {home}, where workers may not know what was "
                "delivered before: see --beyond-dedup-window"
            )
        if letter.stage == "router":
            # Its other parts were written at about that time, to whatever partitions.
            known = reach.knows_all_since(found.written_ms)
        else:
            place = letter.topic, letter.partition, letter.offset
            known = reach.knows(found.failed_at, *place)
        if known:
            return None
        return "workers no longer know what was delivered then: see --beyond-dedup-window"


def _headers(found: Found) -> list[tuple[str, bytes]]:
    """The router's own need no mark: the ids of what it makes are known to every sink."""
    letter, at = found.letter, str(found.at)
    if letter.stage == "router":
        return [(headers.REDRIVEN_OF, at.encode())]
    marks = headers.redriven(found.failed_at, at)
    if letter.record_id is None:
        return marks  # what could not be read has neither id nor kind
    return headers.make(letter.record_id, _kind(letter.value), epoch=0) + marks


def _kind(value: bytes) -> str:
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError:
        return ""
    kind = record.get("kind") if isinstance(record, dict) else None
    return kind if isinstance(kind, str) else ""


class Redrive:
    """Sends what a plan says; each is in Kafka when `send` returns."""

    def __init__(self, kafka: KafkaSettings, producer: AIOKafkaProducer) -> None:
        self._kafka = kafka
        self._producer = producer

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings) -> AsyncIterator[Self]:
        async with AsyncExitStack() as stack:
            async with answering(kafka):
                producer = await stack.enter_async_context(clients.producer(kafka))
            yield cls(kafka, producer)

    async def send(self, again: Again) -> None:
        """Raises UnansweredError; whether it was sent is not known then, nor does it matter."""
        async with answering(self._kafka):
            await self._producer.send_and_wait(
                again.topic,
                again.value,
                key=again.key,
                partition=again.partition,
                headers=again.headers,
            )
