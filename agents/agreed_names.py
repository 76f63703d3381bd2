"""The names by which a destination knows audiences, the same at every worker and for ever."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import NamedTuple

import structlog
from aiokafka.structs import ConsumerRecord
from pydantic import TypeAdapter

from agents.learned_names import LearnedNames
from models.accepted_audience import AcceptedAudience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.owned_name import OwnedName
from streams import metrics
from streams.kafka.tables import FollowedTable, Table, decode
from streams.settings import KafkaSettings
from streams.topics import Topic

log = structlog.get_logger()

# Far above what an account has; what plays with ids must not fill the memory.
_MAX_AUDIENCES = 100_000

AGREED_NAMES = TypeAdapter[AcceptedAudience | OwnedName](AcceptedAudience | OwnedName)
"""The records of the topic: audiences by their ids, and the owner of a name by the name."""

Apart = Callable[[str, str], str]
"""Makes another name of a name and the id of the audience that cannot have it."""


class Called(NamedTuple):
    """An audience's name, and whether it is so at every worker and for ever."""

    name: str
    settled: bool


class AgreedNames:
    """Kept in a compacted topic, which all workers follow; without Kafka, in memory alone.

    Of each key the record that stands first in the log holds for ever: an audience's name, so that
    a rename splits nothing, and a name's owner, so that no two audiences share what is called by
    it. Who writes one uses it when it has been read back. Compaction keeps the last record of a
    key, so who finds another's standing before its own repeats that one, and so does whoever starts
    and finds that this was left undone.
    """

    def __init__(
        self,
        kafka: KafkaSettings | None,
        topic: Topic,
        destination: str,
        apart: Apart,
        most: int = _MAX_AUDIENCES,
    ) -> None:
        """Fixes the names of `most` audiences at most."""
        self._kafka = kafka
        self._topic = topic
        # The series begins at 0, or a board shows no data where all is well.
        self._taken = metrics.AUDIENCE_NAMES_TAKEN.labels(destination=destination)
        self._apart = apart
        self._most = most
        self._known: dict[str, AcceptedAudience] = {}
        self._owned: dict[str, OwnedName] = {}
        self._called: dict[tuple[str, str], str] = {}
        # Keys whose last record in the log is not the one that holds.
        self._to_repeat: set[str] = set()
        self._kept: Table | None = None
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Knows all that was known before when it is entered."""
        if self._kafka is None:
            yield
            return
        async with Table.open(self._kafka, self._topic, self._tell) as self._kept:
            for key in sorted(self._to_repeat):
                await self._repeat(key)
            yield

    async def told_apart(self) -> Sequence[tuple[OwnedName, OwnedName]]:
        """Reads the topic: each name that an audience has because of another's, and the other's."""
        assert self._kafka is not None, "without Kafka nothing is kept"
        followed = FollowedTable(self._kafka, self._topic, self._tell)
        following = asyncio.create_task(followed.run())
        try:
            whole = asyncio.ensure_future(followed.whole())
            await asyncio.wait([following, whole], return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following
        finally:
            following.cancel()
            whole.cancel()
            with suppress(asyncio.CancelledError):
                await following
        theirs = [each for each in self._owned.values() if each.instead_of]
        owners = ((each, self._owned.get(same(each.instead_of))) for each in theirs)
        return [(each, owner) for each, owner in owners if owner]

    def name(self, audience_id: str) -> str | None:
        """Returns the name that is fixed for an audience; None until one is."""
        audience = self._known.get(audience_id)
        return audience.name if audience else None

    def name_of(
        self, change: AudienceChanged | MembershipChanged, learned: LearnedNames
    ) -> str | None:
        """Returns the fixed name of a record's audience, or else its own, or else the learned."""
        known = self._known.get(change.audience_id)
        return (known and known.name) or learned.name(change)

    @property
    def is_full(self) -> bool:
        """Returns whether no more names are fixed."""
        return max(len(self._known), len(self._owned)) >= self._most

    def called(self, audience_id: str, wanted: str) -> Called:
        """Returns what an audience is called at the destination that would be called as `wanted`.

        Until that is settled it may turn out to be another's. Without Kafka it is settled at once.
        """
        if name := self._called.get((audience_id, wanted)):
            return Called(name, settled=True)
        name = wanted
        while (owner := self._owned.get(same(name))) and owner.audience_id != audience_id:
            name = self._apart(name, audience_id)
        if owner is None:
            if self.is_full:
                return Called(self._apart(wanted, audience_id), settled=True)
            if self._kafka is not None:
                return Called(name, settled=False)
            owner = _claim(name, audience_id, wanted)
            self._note_owner(owner)
        if owner.instead_of:
            self._tell_apart(audience_id, wanted, owner.owned)
        self._called[audience_id, wanted] = owner.owned
        return Called(owner.owned, settled=True)

    def _tell_apart(self, audience_id: str, wanted: str, called: str) -> None:
        self._taken.inc()
        log.warning(
            "audience_name_conflict",
            audience_id=audience_id,
            name=wanted,
            taken_by=self._owned[same(wanted)].audience_id,
            called=called,
        )

    async def settle(self, audience_id: str, name: str, wanted: Callable[[str], str]) -> str:
        """Fixes the name of an audience that has none, and then what it is called; returns that.

        `wanted` makes what it is to be called of the name.
        """
        if audience_id not in self._known and not self.is_full:
            async with self._writing:
                if audience_id not in self._known:
                    await self._write(AcceptedAudience(audience_id=audience_id, name=name))
        return await self.own(audience_id, wanted(self.name(audience_id) or name))

    async def own(self, audience_id: str, wanted: str) -> str:
        """Settles what an audience is called that is to be called as `wanted`; returns that."""
        while not (called := self.called(audience_id, wanted)).settled:
            async with self._writing:
                if same(called.name) not in self._owned:
                    await self._write(_claim(called.name, audience_id, wanted))
        return called.name

    async def _write(self, said: AcceptedAudience | OwnedName) -> None:
        """Returns when it has been told, and what stands before it repeated."""
        if self._kept is None:
            self._note(said)
            return
        key = _key(said)
        await self._kept.write(key.encode(), said.model_dump_json().encode())
        if key in self._to_repeat:
            await self._repeat(key)

    async def _repeat(self, key: str) -> None:
        assert self._kept is not None, "what is to be repeated has been read"
        holds = self._holding(key)
        await self._kept.write(key.encode(), holds.model_dump_json().encode())

    def _holding(self, key: str) -> AcceptedAudience | OwnedName:
        owned = self._owned.get(key.removeprefix(_OWNED))
        return owned if owned and key.startswith(_OWNED) else self._known[key]

    def _tell(self, record: ConsumerRecord) -> None:
        said: AcceptedAudience | OwnedName | None = decode(self._topic, record)
        if said is not None:
            self._note(said)

    def _note(self, said: AcceptedAudience | OwnedName) -> None:
        if isinstance(said, OwnedName):
            self._note_owner(said)
        else:
            self._note_name(said)

    def _note_name(self, audience: AcceptedAudience) -> None:
        first = self._known.get(audience.audience_id, audience)
        accepted = first.accepted or audience.accepted
        self._known[audience.audience_id] = first.model_copy(update={"accepted": accepted})
        self._last(_key(audience), holds=first.name == audience.name)

    def _note_owner(self, owner: OwnedName) -> None:
        first = self._owned.setdefault(same(owner.owned), owner)
        self._last(_key(owner), holds=first == owner)

    def _last(self, key: str, *, holds: bool) -> None:
        if holds:
            self._to_repeat.discard(key)
        else:
            self._to_repeat.add(key)


# Before a name in a key: ids of audiences, which are numbers, are keys too.
_OWNED = "name/"


def _key(said: AcceptedAudience | OwnedName) -> str:
    return _OWNED + same(said.owned) if isinstance(said, OwnedName) else said.audience_id


def _claim(name: str, audience_id: str, wanted: str) -> OwnedName:
    instead_of = wanted if name != wanted else ""
    return OwnedName(owned=name, audience_id=audience_id, instead_of=instead_of)


# Few names, many memberships.
@lru_cache(maxsize=4096)
def same(name: str) -> str:
    """Returns what two names have in common that a service might take for one.

    Neither says whether it tells upper from lower case, forms of a letter, or spaces apart.
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
