"""The result of routing a raw message, and the shapes between its parts and their records."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.dead_letter import DeadLetter
from models.event import Event
from models.mparticle.keys import key_of_somebody
from models.privacy_request import ConsentChanged, DataSubjectRequest, OptOutChanged
from models.record import Record
from models.user_update import AttributesChanged, IdentitiesChanged
from streams import headers
from streams.headers import Raw, Sent
from streams.topics import (
    AUDIENCE_MEMBERSHIP,
    AUDIENCES,
    EVENTS,
    PRIVACY_REQUESTS,
    USER_UPDATE,
    Topic,
)

_TOPICS: dict[type[Record], Topic] = {
    AttributesChanged: USER_UPDATE,
    IdentitiesChanged: USER_UPDATE,
    Event: EVENTS,
    MembershipChanged: AUDIENCE_MEMBERSHIP,
    AudienceChanged: AUDIENCE_MEMBERSHIP,
    Audience: AUDIENCES,
    DataSubjectRequest: PRIVACY_REQUESTS,
    ConsentChanged: PRIVACY_REQUESTS,
    OptOutChanged: PRIVACY_REQUESTS,
}
TARGETS = {of: (topic, of.model_fields["kind"].default) for of, topic in _TOPICS.items()}
"""Type of record -> its topic, and its kind where all of the type have one."""


class Position(Protocol):
    """The place of a raw message in Kafka."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class Head(Struct, gc=False):
    """The beginning that all records of one user in one message share, and the source in headers.

    `written` ends where a part's index follows. `sent_at_ms` is when the message was sent.
    """

    written: bytes
    environment: str
    position: Raw
    sent_at_ms: int
    # The message's time, and the earliest and latest at which its parts can have happened; no time
    # is between these where the message's is not sure itself.
    message_ms: int = 0
    earliest_ms: int = 1
    latest_ms: int = 0
    # Most updates of a message are sure, and say the same.
    _origin: Sequence[tuple[str, bytes]] = ()

    def origin(self, *, is_sure: bool) -> Sequence[tuple[str, bytes]]:
        """Returns the headers by which updates say where they come from.

        The time of sending tells which of two updates is newer wherever they stand. Destinations
        leave development out, so that nothing is newer for it.
        """
        if is_sure and self._origin:
            return self._origin
        is_left_out = self.environment == "development"
        sent = None if is_left_out else Sent(self.sent_at_ms, is_sure)
        made = headers.origin(self.position, sent)
        if is_sure:
            self._origin = made
        return made


class Out(Struct, frozen=True, gc=False):
    """One record, the topic it is for, and its key there; `own` is what it does not share.

    Where it is not `is_sure`, it may be older than what was routed of the user, which is not known.
    Its parts have been proven by models, so it becomes a model again only for who asks for one.
    """

    topic: Topic
    key: bytes
    head: Head
    index: int
    own: bytes
    id: str
    kind: str
    is_sure: bool = True

    @property
    def record(self) -> Record:
        record: Record = self.topic.holds.validate_json(self.written())
        return record

    @property
    def raw(self) -> Raw | None:
        """An update's place in the raw topic: a sink must tell the first of two without parsing."""
        return self.head.position if self.topic is USER_UPDATE else None

    @property
    def origin(self) -> Sequence[tuple[str, bytes]]:
        """An update's headers that say where it comes from; no other record has them."""
        return self.head.origin(is_sure=self.is_sure) if self.topic is USER_UPDATE else ()

    def written(self) -> bytes:
        """Returns the record's bytes as its topic will hold them; they are made anew each time."""
        return b"".join((self.head.written, str(self.index).encode(), b"},", self.own[1:]))


class Stranger(NamedTuple):
    """Something that no model knows; `name` is a type, or a field's path, and never a value."""

    what: Literal["message", "event", "field"]
    name: str


class Routed(Struct):
    """All that one raw message became, which is never nothing; and what was odd in it.

    `odd_times` tell of times that cannot be read, so that another stands for them, and of those of
    a clock that cannot be right.
    """

    outs: list[Out] = []
    dead_letters: list[DeadLetter] = []
    dropped: list[str] = []
    strangers: list[Stranger] = []
    odd_times: list[Literal["unreadable", "clock"]] = []


class Content(Struct, frozen=True, gc=False):
    """The content of a part of a message: the type of its record, and the fields that are its own.

    Fields that say nothing are missing where a record leaves these out.
    """

    of: type[Record]
    fields: dict[str, Any]


class About:
    """The facts that all records of one message (or of one profile in it) share.

    `shared` are the fields of Record that tell of the user, without those that say nothing;
    `at_ms` is the message's own time, or `UNREADABLE`; `scope` tells the message from all others,
    for ids of parts that have none of their own; `key` is the user's, None where it is nobody.
    """

    __slots__ = ("at_ms", "head", "key", "mpid", "scope", "shared")

    def __init__(self, scope: list[Any], at_ms: int | None, fields: Mapping[str, Any]) -> None:
        self.scope = scope
        self.at_ms = at_ms
        self.shared = shared = {name: value for name, value in fields.items() if value}
        self.mpid = mpid = shared.get("mpid")
        self.key = mpid.encode() if mpid else key_of_somebody(shared)
        # The first record makes it.
        self.head: Head | None = None


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields without those that say nothing."""
    return {name: value for name, value in fields.items() if value}
