"""What lists are called: by their audiences, also where a record carries only the id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.audience_names import NameBook
from agents.fixed_names import FixedNames
from agents.sailthru import mapping
from agents.sailthru.options import Options
from models.audience_membership import AudienceChanged, MembershipChanged
from models.record import Record
from streams.settings import KafkaSettings
from streams.topics import SAILTHRU_AUDIENCES

OfAudience = MembershipChanged | AudienceChanged


class ListNames:
    """The names of lists, from what has been learned of their audiences.

    With `keeps_first` all workers agree on the first name of each, in a topic; without Kafka this
    process keeps to what it has met first.
    """

    def __init__(
        self, options: Options, kafka: KafkaSettings | None = None, *, keeps_first: bool
    ) -> None:
        self._options = options
        self._audiences = NameBook(keeps_first=keeps_first)
        fixes = keeps_first and "{audience_name}" in options.list_name
        self._fixed = FixedNames(kafka if fixes else None, SAILTHRU_AUDIENCES)
        self._fixes = kafka is not None and fixes
        self._tasks: asyncio.TaskGroup | None = None
        self._fixing: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Knows all names that were fixed before when it is entered."""
        async with self._fixed.session(), asyncio.TaskGroup() as self._tasks:
            yield

    def learn(self, record: Record) -> None:
        self._audiences.learn(record)

    def named(self, record: OfAudience) -> OfAudience:
        """The record with the audience's name."""
        name = self._fixed.name(record.audience_id) or self._audiences.name(record)
        return record.model_copy(update={"audience_name": name})

    def of(self, record: OfAudience) -> str | None:
        """The list of a record's audience; None when its name needs what nobody has said."""
        return mapping.list_name(self.named(record), self._options)

    def settled(self, record: OfAudience) -> bool:
        """Whether the list of a record's audience will always be called as it is now."""
        return not self._fixes or self._fixed.full or bool(self._fixed.name(record.audience_id))

    def missing(self, record: OfAudience) -> asyncio.Future[None] | None:
        """Has the name of the audience fixed; None when it is so already."""
        name = self._audiences.name(record)
        if self._tasks is None or self.settled(record) or not name:
            return None
        audience_id = record.audience_id
        if audience_id not in self._fixing:
            self._fixing[audience_id] = task = self._tasks.create_task(self._fix(audience_id, name))
            task.add_done_callback(lambda _: self._fixing.pop(audience_id))
        return self._fixing[audience_id]

    async def _fix(self, audience_id: str, name: str) -> None:
        await self._fixed.settle({audience_id: name})
