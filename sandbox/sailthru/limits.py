"""Requests a minute, counted as the service counts and announced in its headers."""

from sandbox.sailthru import refusals
from sandbox.sailthru.options import Options
from sandbox.server import RefusedError

MINUTE = 60


class Limits:
    """Per endpoint and method, over the minute of the clock.

    Observed: X-Rate-Limit-Limit, -Remaining and -Reset come with every answer, and Reset is the
    next full minute in unix seconds (recording in grouparoo/grouparoo, export-record.js). Inferred:
    what is not authenticated belongs to no account and is not counted.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._minute = 0
        self._used: dict[str, int] = {}

    def forget(self) -> None:
        self._used.clear()

    def spend(self, endpoint: str) -> None:
        used = self._this_minute(endpoint)
        if used >= self._options.ceiling(endpoint):
            raise RefusedError(
                refusals.TOO_MANY_REQUESTS, f"Too many {endpoint} requests this minute"
            )
        self._used[endpoint] = used + 1

    def headers(self, endpoint: str) -> dict[str, str]:
        used, ceiling = self._this_minute(endpoint), self._options.ceiling(endpoint)
        return {
            "X-Rate-Limit-Limit": str(ceiling),
            "X-Rate-Limit-Remaining": str(ceiling - used),
            "X-Rate-Limit-Reset": str((self._minute + 1) * MINUTE),
        }

    def _this_minute(self, endpoint: str) -> int:
        minute = int(self._options.clock() // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        return self._used.get(endpoint, 0)
