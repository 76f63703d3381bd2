"""The last question before a request goes out: whether this worker surely may still send."""

from collections.abc import Callable

import aiohttp


class UnsureError(Exception):
    """It may not: whose the records are now is not known, so nothing is to be made of them here."""


def guarded(may_send: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """For a session's `request_class`: raises UnsureError in place of sending.

    aiohttp calls `send` when it has the connection: making one may take as long as a freeze.
    """

    class Guarded(aiohttp.ClientRequest):
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            if not may_send():
                raise UnsureError
            return await super().send(conn)

    return Guarded
