"""One request to AB Tasty, before credentials are put into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct


class Member(Struct, frozen=True, gc=False):
    """A visitor's membership of an audience, as the records of a request leave it."""

    visitor_id: str
    audience_id: str
    joined: bool

    @property
    def key(self) -> bytes:
        """A visitor id has no slash."""
        return f"{self.visitor_id}/{self.audience_id}".encode()


@dataclass(frozen=True, slots=True)
class Post:
    """`body` is CSV as text, or a JSON document. It holds identities, so it is never shown.

    `names` are the audiences that it is about and their names, `segments` what rows call them,
    `members` the changes that it carries, in their order, and `partition` the one that they came
    from. A connect that goes before memberships has these as `then`, also for when it is refused.
    """

    endpoint: str
    url: str
    body: str | list[Any] | dict[str, Any] = field(repr=False)
    names: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    members: Sequence[Member] = field(default=(), repr=False)
    partition: int = 0
    then: "Post | None" = field(default=None, repr=False)
