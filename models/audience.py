"""An audience and its state: topic `audiences`, compacted, keyed by its id."""

from typing import Literal

from models.record import Record, Sparse


class Audience(Record):
    """The latest word on one audience."""

    kind: Literal["audience"] = "audience"
    audience_id: str
    name: Sparse[str | None] = None
    state: Literal["connected", "disconnected"]
