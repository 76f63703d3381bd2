"""How long one user may fail while others pass."""

from streams import clocks
from streams.delivery.sink import LaneKey

_PATIENCE_SECONDS = 15 * 60.0
_SET_ASIDE_SECONDS = 60 * 60.0


class Patience:
    """Lasts 15 minutes; when it was in vain, the lane is tried only once for an hour."""

    def __init__(self) -> None:
        self._set_aside: dict[LaneKey, float] = {}

    def lasts(self, lane: LaneKey, failing: float) -> bool:
        """Whether to try again what has failed for so many seconds while others passed."""
        now = clocks.monotonic()
        if self._set_aside.get(lane, 0.0) > now:
            return False
        if failing < _PATIENCE_SECONDS:
            return True
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > now}
        self._set_aside[lane] = now + _SET_ASIDE_SECONDS
        return False

    def restore(self, lane: LaneKey) -> None:
        """Something of the lane passed."""
        self._set_aside.pop(lane, None)
