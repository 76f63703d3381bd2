"""One clock for all that the harness sees: unix seconds, and no two moments alike."""

import time

_STEP = 1e-6


class Moments:
    """What happened before what is the order of the moments, whatever the clock's grain."""

    def __init__(self) -> None:
        self._last = 0.0

    def now(self) -> float:
        self._last = max(time.time(), self._last + _STEP)
        return self._last
