"""The last question before a request goes out: whether this worker surely may still send."""

from collections.abc import Callable
from typing import TypeAlias

import aiohttp

MaySend: TypeAlias = Callable[[], bool]
"""Whether this worker surely still is a member of its group; asked right before each request."""


class FencedError(Exception):
    """This worker may have lost the partition: it sends nothing, and records nothing."""


def guarded(may_send: MaySend) -> type[aiohttp.ClientRequest]:
    """For a session's `request_class`: raises FencedError in place of sending.

    aiohttp calls `send` when it has the connection: making one may take as long as a freeze.
    """

    class Guarded(aiohttp.ClientRequest):
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            if not may_send():
                raise FencedError
            return await super().send(conn)

    return Guarded
