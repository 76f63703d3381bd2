"""The names by which a destination knows audiences, the same at every worker and for ever."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka.structs import ConsumerRecord

from models.accepted_audience import AcceptedAudience
from streams.delivery.followed import known
from streams.delivery.kept import Kept
from streams.settings import KafkaSettings
from streams.topics import Topic

# Far above what an account has; what plays with ids must not fill the memory.
_MOST_AUDIENCES = 100_000


class FixedNames:
    """Kept in a compacted topic, which all workers follow; without Kafka, in memory alone.

    The name that stands first in the log is the audience's for ever, so that a rename splits
    nothing. Who writes a name uses it when it has read it back. Compaction keeps the last record of
    an audience, so who finds another name standing before its own repeats that one.
    """

    def __init__(self, kafka: KafkaSettings | None, topic: Topic) -> None:
        self._kafka = kafka
        self._topic = topic
        self._known: dict[str, AcceptedAudience] = {}
        self._kept: Kept | None = None
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Knows all that was known before when it is entered."""
        if self._kafka is None:
            yield
            return
        async with Kept.open(self._kafka, self._topic, self._tell) as self._kept:
            yield

    def name(self, audience_id: str) -> str | None:
        audience = self._known.get(audience_id)
        return audience.name if audience else None

    @property
    def full(self) -> bool:
        """Whether no more names are fixed."""
        return len(self._known) >= _MOST_AUDIENCES

    async def settle(self, names: Mapping[str, str]) -> bool:
        """Fixes these names for audiences that have none; False when another stands for one."""
        for audience_id in names.keys() - self._known.keys():
            async with self._writing:
                if audience_id in self._known or self.full:
                    continue
                mine = AcceptedAudience(audience_id=audience_id, name=names[audience_id])
                await self._write(mine)
                if self._known[audience_id].name != mine.name:
                    await self._write(self._known[audience_id])
        return all(self.name(each) in {None, name} for each, name in names.items())

    async def _write(self, audience: AcceptedAudience) -> None:
        if self._kept is None:
            self._note(audience)
        else:
            key, value = audience.audience_id.encode(), audience.model_dump_json().encode()
            await self._kept.write(key, value)

    def _tell(self, record: ConsumerRecord) -> None:
        audience: AcceptedAudience | None = known(self._topic, record)
        if audience is not None:
            self._note(audience)

    def _note(self, audience: AcceptedAudience) -> None:
        first = self._known.get(audience.audience_id, audience)
        accepted = first.accepted or audience.accepted
        self._known[audience.audience_id] = first.model_copy(update={"accepted": accepted})
