"""Records to a request's body: pure, without clock or network."""

from collections.abc import Sequence
from typing import Any

from models.record import Record


def body(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A JSON array of records as their topics hold them, `kind` and `id` included."""
    return [record.model_dump(mode="json", exclude_none=True) for record in records]
