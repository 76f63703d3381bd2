"""Names lists by their audiences, also where a record carries only the id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.agreed_names import AgreedNames, Called
from agents.learned_names import LearnedNames
from agents.sailthru import mapping
from agents.sailthru.options import Options
from agents.sailthru.topics import SAILTHRU_AUDIENCES
from models.audience_membership import AudienceChanged, MembershipChanged
from models.record import Record
from streams.settings import KafkaSettings

OfAudience = MembershipChanged | AudienceChanged


def agreed_names(kafka: KafkaSettings | None) -> AgreedNames:
    """Makes the names of lists on which all Sailthru workers agree."""
    return AgreedNames(kafka, SAILTHRU_AUDIENCES, "sailthru", mapping.list_apart)


class ListNames:
    """The names of lists, from what has been learned of their audiences.

    A list belongs to the audience that took its name first: another that comes to it gets the name
    with its id behind. With `keeps_first` also the first name of each audience holds for ever. All
    workers agree on both, in a topic; without Kafka this process keeps to what it has met first.
    """

    def __init__(
        self, options: Options, kafka: KafkaSettings | None = None, *, keeps_first: bool
    ) -> None:
        self._template = options.list_name_template
        self._learned = LearnedNames(keeps_first=keeps_first)
        self._fixed = agreed_names(kafka)
        self._fixes = (
            kafka is not None and keeps_first and "{audience_name}" in options.list_name_template
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._settling: dict[str, asyncio.Task[str]] = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Knows all names that were fixed before when it is entered."""
        async with self._fixed.session(), asyncio.TaskGroup() as self._tasks:
            yield

    def learn(self, record: Record) -> None:
        self._learned.learn(record)

    def of(self, record: OfAudience) -> str | None:
        """The list of a record's audience; None when its name needs what nobody has said."""
        called = self._called(record)
        return called and called.name

    def is_settled(self, record: OfAudience) -> bool:
        """Returns whether the list of a record's audience will always be called as it is now."""
        if self._fixes and not self._fixed.is_full and not self._fixed.name(record.audience_id):
            return False
        called = self._called(record)
        return called is not None and called.settled

    def missing(self, record: OfAudience) -> asyncio.Future[str] | None:
        """Has settled what the list of the audience is called; None when it is so already."""
        if self._tasks is None or self.is_settled(record) or not self._wanted(record):
            return None
        audience_id = record.audience_id
        if audience_id not in self._settling:
            task = self._settling[audience_id] = self._tasks.create_task(self._settle(record))
            task.add_done_callback(lambda _: self._settling.pop(audience_id))
        return self._settling[audience_id]

    async def _settle(self, record: OfAudience) -> str:
        audience_id = record.audience_id

        def wanted(name: str) -> str:
            made = mapping.list_name(self._template, audience_id, name)
            assert made, "only what has a name is settled"
            return made

        name = self._name(record) or ""
        if self._fixes:
            return await self._fixed.settle(audience_id, name, wanted)
        return await self._fixed.own(audience_id, wanted(name))

    def _called(self, record: OfAudience) -> Called | None:
        wanted = self._wanted(record)
        return self._fixed.called(record.audience_id, wanted) if wanted else None

    def _wanted(self, record: OfAudience) -> str | None:
        return mapping.list_name(self._template, record.audience_id, self._name(record))

    def _name(self, record: OfAudience) -> str | None:
        if self._fixes:
            return self._fixed.name_of(record, self._learned)
        return self._learned.name(record)
