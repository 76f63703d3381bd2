"""What all workers agree on about audiences: the name each is sent by, and who has had members."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from models.accepted_audience import AcceptedAudience
from models.audience import Audience
from streams import metrics
from streams.delivery.followed import Followed, Tell
from streams.settings import KafkaSettings
from streams.topics import AB_TASTY_AUDIENCES

log = structlog.get_logger()

# Far above what an account has; what plays with ids must fill neither memory nor metrics.
_MOST_AUDIENCES = 100_000
_MOST_NAMED = 1_000


class KnownAudiences:
    """Kept in a compacted topic, which all workers follow; without Kafka, in memory alone.

    The name that stands first in the log is the audience's for ever, so that a rename does not
    split its segment. Who writes a name uses it when it has read it back. Compaction keeps the last
    record of an audience, so who finds another name standing before its own repeats that one.
    """

    def __init__(self, kafka: KafkaSettings | None) -> None:
        self._kafka = kafka
        self._known: dict[str, AcceptedAudience] = {}
        self._connected: set[str] = set()
        self._disconnected: set[str] = set()
        self._named: set[str] = set()
        self._log: _Log | None = None
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Knows all that was known before when it is entered."""
        if self._kafka is None:
            yield
            return
        async with _Log.open(self._kafka, self._tell) as self._log:
            yield

    def name(self, audience_id: str) -> str | None:
        known = self._known.get(audience_id)
        return known.name if known else None

    def is_disconnected(self, audience_id: str) -> bool:
        return audience_id in self._disconnected

    async def settle(self, names: Mapping[str, str]) -> bool:
        """Fixes these names for audiences that have none; False when another stands for one."""
        for audience_id in names.keys() - self._known.keys():
            async with self._writing:
                if audience_id in self._known or len(self._known) >= _MOST_AUDIENCES:
                    continue
                mine = AcceptedAudience(audience_id=audience_id, name=names[audience_id])
                await self._write(mine)
                if self._known[audience_id].name != mine.name:
                    await self._write(self._known[audience_id])
        return all(self.name(each) in {None, name} for each, name in names.items())

    async def accept(self, names: Mapping[str, str]) -> None:
        """Notes that a member of each of these was accepted."""
        for audience_id, name in names.items():
            known = self._known.get(audience_id)
            if (known and known.accepted) or len(self._known) >= _MOST_AUDIENCES:
                continue
            named = known or AcceptedAudience(audience_id=audience_id, name=name)
            async with self._writing:
                await self._write(named.model_copy(update={"accepted": True}))

    def learn(self, audience: Audience) -> None:
        """Takes whether an audience is connected."""
        if audience.state == "connected":
            self._connected.add(audience.audience_id)
            self._disconnected.discard(audience.audience_id)
        else:
            self._connected.discard(audience.audience_id)
            self._disconnected.add(audience.audience_id)
        self._observe(audience.audience_id)

    async def _write(self, audience: AcceptedAudience) -> None:
        if self._log is None:
            self._note(audience)
        else:
            await self._log.write(audience)

    def _tell(self, record: ConsumerRecord) -> None:
        try:
            audience: AcceptedAudience = AB_TASTY_AUDIENCES.holds.validate_json(record.value or b"")
        except ValidationError as error:
            log.warning(
                "known_audience_unreadable",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                errors=error.error_count(),
            )
        else:
            self._note(audience)

    def _note(self, audience: AcceptedAudience) -> None:
        first = self._known.get(audience.audience_id, audience)
        accepted = first.accepted or audience.accepted
        self._known[audience.audience_id] = first.model_copy(update={"accepted": accepted})
        self._observe(audience.audience_id)

    def _observe(self, audience_id: str) -> None:
        """Names an audience on the metric while it is connected and nobody in it was accepted."""
        known = self._known.get(audience_id)
        empty = audience_id in self._connected and not (known and known.accepted)
        if empty and len(self._named) < _MOST_NAMED:
            self._named.add(audience_id)
            metrics.AUDIENCES_WITHOUT_MEMBERS.labels(audience=audience_id).set(1)
        elif not empty and audience_id in self._named:
            self._named.discard(audience_id)
            metrics.AUDIENCES_WITHOUT_MEMBERS.remove(audience_id)


class _Log:
    """The topic: followed, and written with what is written read back."""

    def __init__(self, topic: str, producer: AIOKafkaProducer, followed: Followed) -> None:
        self._topic = topic
        self._producer = producer
        self._followed = followed

    @classmethod
    @asynccontextmanager
    async def open(cls, kafka: KafkaSettings, tell: Tell) -> AsyncIterator["_Log"]:
        followed = Followed(kafka, AB_TASTY_AUDIENCES, tell)
        options = {"acks": "all", "enable_idempotence": True}
        async with (
            AIOKafkaProducer(**kafka.client_options(), **options) as producer,
            asyncio.TaskGroup() as tasks,
        ):
            following = tasks.create_task(followed.run())
            await followed.whole()
            try:
                yield cls(kafka.topic(AB_TASTY_AUDIENCES.name), producer, followed)
            finally:
                following.cancel()

    async def write(self, audience: AcceptedAudience) -> None:
        at = await self._producer.send_and_wait(
            self._topic, audience.model_dump_json().encode(), key=audience.audience_id.encode()
        )
        await self._followed.told(at.partition, at.offset)
