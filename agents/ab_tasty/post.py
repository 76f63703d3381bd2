"""One request to AB Tasty, before credentials are put into it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Post:
    """`body` is CSV as text, or a JSON document. It holds identities, so it is never shown.

    `audience_ids` are those that it is about.
    """

    endpoint: str
    url: str
    body: str | list[Any] | dict[str, Any] = field(repr=False)
    audience_ids: tuple[str, ...] = ()
