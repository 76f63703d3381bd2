"""The state of a list at Sailthru: topic `sailthru-lists`, compacted, keyed by its name."""

from typing import Literal

from models.record import Shape, Sparse


class ListState(Shape):
    """A list's state: wanted by somebody who is to be on it, then ready or refused.

    `reason` and `detail` say why it was refused, as in a dead letter.
    """

    state: Literal["wanted", "ready", "refused"]
    reason: Sparse[str] = ""
    detail: Sparse[str] = ""
