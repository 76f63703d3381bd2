"""What a raw message becomes, and what its parts say on their way there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.dead_letter import DeadLetter
from models.event import Event
from models.privacy_request import ConsentChanged, DataSubjectRequest
from models.record import Record, sparse
from models.user_update import AttributesChanged, IdentitiesChanged
from streams.headers import Raw
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
}
TARGETS = {
    of: (topic, of.model_fields["kind"].default, sparse(of)) for of, topic in _TOPICS.items()
}
"""Type of record -> its topic, its kind where all of the type have one, and its sparse fields."""


class Position(Protocol):
    """Where the raw message stands in Kafka."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class Out(NamedTuple):
    """One record, the topic it is for, and its key there.

    `fields` are the record as its topic will hold it. They were made of parts that a model has
    proven, so they become a model again only for who asks for one.
    """

    topic: Topic
    key: bytes
    fields: Mapping[str, Any]

    @property
    def id(self) -> str:
        id_: str = self.fields["id"]
        return id_

    @property
    def kind(self) -> str:
        kind: str = self.fields["kind"]
        return kind

    @property
    def record(self) -> Record:
        record: Record = self.topic.holds.validate_python(self.fields)
        return record

    @property
    def raw(self) -> Raw | None:
        """Where an update comes from: a sink must know which of two came first without parsing."""
        if self.topic is not USER_UPDATE:
            return None
        raw = self.fields["raw"]
        return Raw(raw["partition"], raw["offset"], self.fields["received_at_ms"])

    def written(self) -> bytes:
        return orjson.dumps(self.fields)


class Stranger(NamedTuple):
    """Something that no model knows; `name` is a type, or a field's path, and never a value."""

    what: Literal["message", "event", "field"]
    name: str


@dataclass(slots=True)
class Routed:
    """All that one raw message became: never nothing; and what was odd in it.

    Of its times, those that cannot be read, where another stands for them, and those of a clock
    that cannot be right.
    """

    outs: list[Out] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    odd_times: list[Literal["unreadable", "clock"]] = field(default_factory=list)


class Content(NamedTuple):
    """What a part of a message says: the type of its record, and the fields that are its own."""

    of: type[Record]
    fields: Mapping[str, Any]


class About(NamedTuple):
    """What all records of one message (or of one profile in it) share.

    `shared` are the fields of Record that tell of the user, without those that say nothing;
    `at_ms` is the message's own time, or `UNREADABLE`; `scope` tells the message from all others,
    for ids of parts that have none of their own.
    """

    scope: list[Any]
    at_ms: int | None
    shared: Mapping[str, Any]


def told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what says nothing."""
    return {name: value for name, value in fields.items() if value}
