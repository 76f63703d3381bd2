"""Records to a request's body: pure, without clock or network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from models.record import Record


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON array of records as their topics hold them, `kind` and `id` included.

    They are personal data, which no log line is to show.
    """

    records: Sequence[dict[str, Any]] = field(repr=False)


def body(records: Sequence[Record]) -> Body:
    return Body([record.model_dump(mode="json", exclude_none=True) for record in records])
