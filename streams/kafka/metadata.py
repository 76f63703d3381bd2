"""Bounds how often a client asks for a cluster's metadata."""

import asyncio
import math
from typing import Any

_PAUSE_SECONDS = 0.25


def paced(client: Any) -> None:
    """Has a client of aiokafka's pause between questions.

    It asks again at once for as long as a topic is missing or a leader unknown: hundreds of times a
    second, each of which it also logs (aiokafka 0.14, `Fetcher._fetch_requests_routine` and
    `Sender._sender_routine`).
    """
    update = client._metadata_update  # noqa: SLF001 - guarded by a test
    asked_at = -math.inf

    async def after_a_pause(*given: Any) -> Any:
        nonlocal asked_at
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, asked_at + _PAUSE_SECONDS - clock()))
        asked_at = clock()
        return await update(*given)

    client._metadata_update = after_a_pause  # noqa: SLF001 - as above
