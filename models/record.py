"""The fields that every record on our topics carries."""

from functools import cache
from operator import not_
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Encoding = Literal["raw", "md5", "sha1", "sha256"]
Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]
"""An attribute's value. None means a tag: an attribute without a value."""

SCHEMA_VERSION = 1

T = TypeVar("T")
Sparse = Annotated[T, Field(exclude_if=not_)]
"""A field that is left out of JSON where it says nothing: None, empty, False."""


class Shape(BaseModel):
    """The base of what topics hold; it ignores unknown fields, so old readers take new records."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RawPosition(Shape):
    """The position of the raw message, and the index of the part that this is (from 0)."""

    topic: str
    partition: int
    offset: int
    index: int


class Identity(Shape):
    """One identity of a user, device or partner.

    `type` is spelled as in mParticle's event batches (`customer_id`, `other_id_2`, `email`, ...),
    whichever vocabulary it came in.
    """

    type: str
    value: str
    encoding: Encoding = "raw"


Supersession: TypeAlias = Literal["event time", "raw position"]


class Record(Shape):
    """The part that all records share.

    `id` is deterministic: the same message gives the same ids, however often it is sent or routed.
    Times are milliseconds since the epoch, UTC; `occurred_at_ms` is mParticle's, `received_at_ms`
    is when Kafka took the raw message. `judged_at_ms` is the time by which age and order count
    where `occurred_at_ms` cannot be right, because a client's clock was not. `account_id`,
    `workspace_id` and `connection_id` tell where at mParticle it comes from, as far as the message
    does: account and workspace in the Firehose's messages, in batches their connection's Unique ID.
    """

    schema_version: int = SCHEMA_VERSION
    kind: str
    id: str
    mpid: Sparse[str | None] = None
    identities: Sparse[tuple[Identity, ...]] = ()
    device_identities: Sparse[tuple[Identity, ...]] = ()
    partner_identities: Sparse[tuple[Identity, ...]] = ()
    device_stamp: Sparse[str | None] = None
    occurred_at_ms: Sparse[int | None] = None
    judged_at_ms: Sparse[int | None] = None
    received_at_ms: int
    environment: Literal["production", "development", "unknown"] = "production"
    account_id: Sparse[str | None] = None
    workspace_id: Sparse[str | None] = None
    connection_id: Sparse[str | None] = None
    replayed: Sparse[bool] = False
    raw: RawPosition

    superseded_by: ClassVar[Supersession | None] = None
    """The order that tells which of two records of a user and `subject` is the older one.

    It is that of the times at which they happened, where mParticle promises no order; that of the
    raw messages' places, where a router may write again what it has forgotten; None: each counts.
    """

    @property
    def subject(self) -> str:
        """The part of its user that it is about; the later of two about the same counts."""
        return ""

    @property
    def counts_at_ms(self) -> int | None:
        """The time in ms at which it counts as having happened; None where nothing says when."""
        return self.judged_at_ms or self.occurred_at_ms

    def identity(self, type_: str) -> str | None:
        """Returns the first unhashed identity of that type, or None."""
        for identity in self.identities:
            if identity.type == type_ and identity.encoding == "raw":
                return identity.value
        return None


@cache
def kinds_superseded_by(what: Supersession) -> frozenset[bytes]:
    """Returns the kinds, as in a record's header, of which older records are told in that way."""
    models, kinds = list(Record.__subclasses__()), set[bytes]()
    for model in models:
        models += model.__subclasses__()
        if model.superseded_by == what:
            kinds.add(model.model_fields["kind"].default.encode())
    return frozenset(kinds)
